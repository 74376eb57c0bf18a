// SPDX-License-Identifier: Apache-2.0

/** What one step of the guest came to. */
export interface GuestStep {
  readonly name: string;
  /** Exit code of the step. */
  readonly code: number;
  /** By the guest's own clock. */
  readonly seconds: number;
}

/** Reads what build/vm/guest/run.sh says, line by line, and counts it. */
export class GuestReport {
  readonly steps: GuestStep[] = [];
  /** Tests of suites; a step that is no suite counts as one. */
  passed = 0;
  failed = 0;
  /** True once the guest has said that it went through all steps. */
  done = false;
  #totals: { passed: number; failed: number } | undefined;

  /** Takes one line, without its end. */
  line(text: string): void {
    const totals = /^(\d{1,6}) passed, (\d{1,6}) failed$/.exec(text);
    if (totals !== null) this.#totals = { passed: Number(totals[1]), failed: Number(totals[2]) };
    if (text.startsWith('@vm start ')) this.#totals = undefined;
    if (text === '@vm done') this.done = true;
    const end = /^@vm end ([a-z0-9/._-]+) (\d{1,3}) (\d{1,7})$/.exec(text);
    if (end !== null) this.#end({ name: end[1] ?? '', code: Number(end[2]), seconds: Number(end[3]) });
  }

  /** True when each of these steps ran to its end, in which nothing failed. */
  good(wanted: readonly string[]): boolean {
    return this.done && this.failed === 0 && wanted.every((name) => this.steps.some((step) => step.name === name && step.code === 0));
  }

  #end(step: GuestStep): void {
    this.steps.push(step);
    const { passed, failed } = this.#totals ?? { passed: 0, failed: 0 };
    this.passed += passed;
    this.failed += failed;
    // A suite that failed without a failed test (it did not start) is a failure of its own.
    if (this.#totals === undefined && step.code === 0) this.passed += 1;
    if (step.code !== 0 && failed === 0) this.failed += 1;
    this.#totals = undefined;
  }
}
