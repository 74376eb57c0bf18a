// SPDX-License-Identifier: Apache-2.0
import { BureauError, UsageError, hasCode, type PrincipalName } from '@bureau/core';
import { readJson, writeFileAtomic } from '@bureau/files';
import { principalName, principalNumber } from '@bureau/protocol';
import * as v from 'valibot';
import { NUMBERS_FILE_MAX_BYTES, PRINCIPAL_NUMBER_MAX } from './limits.ts';

/** The file's shape. */
const numbersFile = v.strictObject({ v: v.literal(1), principals: v.record(principalName, principalNumber) });

/**
 * The numbers of an instance's principals, kept in one file. A number is its principal's for life: none is ever given to another.
 * One process (the launcher) owns the file; others read it through a fresh object. The file is read by the constructor, which throws
 * `file_malformed` and the like rather than start from nothing.
 */
export class PrincipalNumbers {
  readonly #file: string;
  readonly #numbers: Map<PrincipalName, number>;
  readonly #names: Map<number, PrincipalName>;

  constructor(file: string) {
    this.#file = file;
    this.#numbers = load(file);
    this.#names = new Map([...this.#numbers].map(([name, number]) => [number, name]));
    if (this.#names.size !== this.#numbers.size) {
      throw new BureauError(
        'file_malformed',
        `Cannot use ${file}: two principals have the same number. Correct it, or restore it from a copy`,
        { data: { path: file } },
      );
    }
  }

  /**
   * The number of a principal; a new one is on disk when this returns. Throws `workspace_conflict` when the name lies above or below
   * another principal's: one's workspace would lie in the other's. Throws `principals_exhausted`.
   */
  numberOf(principal: PrincipalName): number {
    const known = this.#numbers.get(principal);
    if (known !== undefined) return known;
    this.requireApart(principal);
    const number = Math.max(-1, ...this.#names.keys()) + 1;
    if (number > PRINCIPAL_NUMBER_MAX) {
      throw new BureauError(
        'principals_exhausted',
        `Cannot number ${principal}: this instance has given all ${PRINCIPAL_NUMBER_MAX + 1} numbers; use another instance`,
      );
    }
    const principals = Object.fromEntries([...this.#numbers, [principal, number]]);
    writeFileAtomic(this.#file, `${JSON.stringify({ v: 1, principals })}\n`, { mode: 0o600 });
    this.#numbers.set(principal, number);
    this.#names.set(number, principal);
    return number;
  }

  /** The number of a principal that has one. */
  find(principal: PrincipalName): number | undefined {
    return this.#numbers.get(principal);
  }

  /** Whose number it is. */
  nameOf(number: number): PrincipalName | undefined {
    return this.#names.get(number);
  }

  /** Every principal that ever had a number, in the order of numbers. */
  all(): { principal: PrincipalName; number: number }[] {
    return [...this.#numbers].map(([principal, number]) => ({ principal, number })).toSorted((a, b) => a.number - b.number);
  }

  /** Throws `workspace_conflict` when the name lies above or below another principal's; nothing is written. */
  requireApart(principal: PrincipalName): void {
    if (this.#numbers.has(principal)) return;
    for (const other of this.#numbers.keys()) {
      const above = principal.startsWith(`${other}/`);
      if (!above && !other.startsWith(`${principal}/`)) continue;
      throw new UsageError(
        'workspace_conflict',
        `Cannot use ${principal}: its workspace would lie ${above ? 'in' : 'above'} that of ${other}, and no agent may reach into another's files. Choose a name that is neither above nor below it, such as ${above ? `${principal.split('/')[0]}-team/…` : `${principal}/main`}`,
        { data: { principal, conflict: other } },
      );
    }
  }
}

function load(file: string): Map<PrincipalName, number> {
  try {
    const { principals } = readJson(file, numbersFile, NUMBERS_FILE_MAX_BYTES);
    return new Map(Object.entries(principals) as [PrincipalName, number][]);
  } catch (error) {
    if (hasCode(error, 'file_missing')) return new Map();
    throw error;
  }
}
