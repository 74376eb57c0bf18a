// SPDX-License-Identifier: Apache-2.0

export type CheckStatus = 'pass' | 'fail' | 'warn' | 'skip';

/** One line of a doctor's report. */
export interface Check {
  /** Stable: `homeserver`, `authentication`, `server name`, `space`, `agents`, `agents power levels`, … */
  readonly name: string;
  readonly status: CheckStatus;
  readonly message: string;
  /** What would put it right, when it is not right. */
  readonly fix?: string;
  /** True when this run put it right. */
  readonly repaired?: boolean;
}

export interface DoctorReport {
  readonly checks: readonly Check[];
  /** No check failed. */
  readonly ok: boolean;
}

/** A finding with what would repair it. */
export interface Finding extends Check {
  readonly repair?: () => Promise<void>;
}

/** Collects findings of one round. */
export class Findings {
  readonly #list: Finding[] = [];

  pass(name: string, message: string): void {
    this.#list.push({ name, status: 'pass', message });
  }

  warn(name: string, message: string, fix?: string): void {
    this.#list.push({ name, status: 'warn', message, ...(fix === undefined ? {} : { fix }) });
  }

  fail(name: string, message: string, fix: string, repair?: () => Promise<void>): void {
    this.#list.push({ name, status: 'fail', message, fix, ...(repair === undefined ? {} : { repair }) });
  }

  skip(name: string, because: string): void {
    this.#list.push({ name, status: 'skip', message: `not looked at: ${because}` });
  }

  get list(): readonly Finding[] {
    return this.#list;
  }
}
