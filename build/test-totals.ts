// SPDX-License-Identifier: Apache-2.0
import { relative } from 'node:path';

/** What the totals need of a `test:pass` or `test:fail` event of node:test. */
export interface TestEnd {
  readonly name: string;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: { readonly duration_ms?: number; readonly type?: string | undefined; readonly error?: unknown };
}

export interface TestFailure {
  readonly file: string;
  readonly line?: number;
  readonly name: string;
  readonly reason: string;
}

/** Suites whose tests are attacks and their controls. */
const ATTACKING = /^integration\/(escape|proxy-hostile)\//;

/** Counts the tests of a run, from its events; suites (`describe`) are not tests. */
export class TestTotals {
  readonly #root: string;
  readonly #testsOf = new Map<string, number>();
  readonly failures: TestFailure[] = [];
  /** The tests that passed. */
  readonly passes: { readonly file: string; readonly name: string; readonly seconds: number }[] = [];
  passed = 0;
  failed = 0;
  /** Of the suites that attack, whose tests say in their names which they are. */
  readonly escape = { attacks: 0, refused: 0, controls: 0, succeeded: 0 };

  constructor(root: string, files: readonly string[]) {
    this.#root = root;
    for (const file of files) this.#testsOf.set(file, 0);
  }

  /** Takes one ended test. A skipped one is a failure: a skip counts as a pass for nobody. */
  add(end: TestEnd, outcome: 'pass' | 'fail'): void {
    const file = relative(this.#root, end.file ?? end.name);
    // node:test reports a file without tests, or one that crashed, as a test with the file's own name.
    const isWholeFile = end.name === end.file || this.#testsOf.has(end.name) || this.#testsOf.has(relative(this.#root, end.name));
    if (end.details.type === 'suite' && outcome === 'pass') return;
    if (isWholeFile && outcome === 'pass') return;
    if (ATTACKING.test(file)) this.#countEscape(end.name, outcome);
    const reason = outcome === 'fail' ? reasonOf(end.details.error) : switchedOff(end);
    const isCause = end.details.type !== 'suite' && !isConsequence(end.details.error);
    if (end.details.type !== 'suite') this.#testsOf.set(file, (this.#testsOf.get(file) ?? 0) + 1);
    if (reason === undefined) {
      this.passed += 1;
      this.passes.push({ file, name: end.name, seconds: Math.round((end.details.duration_ms ?? 0) / 1_000) });
    } else if (isCause || isWholeFile) {
      this.#fail({ file, ...(end.line === undefined ? {} : { line: end.line }), name: end.name, reason });
    } else if (end.details.type !== 'suite') {
      this.failed += 1; // a test that failed because of its subtest, which is reported itself
    }
  }

  /** Takes what a file says of itself at its end: its tests may be written in another file (a compliance suite). */
  ran(file: string, tests: number): void {
    this.#testsOf.set(file, Math.max(this.#testsOf.get(file) ?? 0, tests));
  }

  /** Files that were to run and held no test: each is a failure. Call once, when all runs are over. */
  finish(): void {
    for (const [file, tests] of this.#testsOf) {
      if (tests === 0) this.#fail({ file, name: file, reason: 'no test ran in this file: add one or delete the file' });
    }
  }

  #countEscape(name: string, outcome: 'pass' | 'fail'): void {
    if (name.startsWith('attack: ')) {
      this.escape.attacks += 1;
      if (outcome === 'pass') this.escape.refused += 1;
    } else if (name.startsWith('control: ')) {
      this.escape.controls += 1;
      if (outcome === 'pass') this.escape.succeeded += 1;
    }
  }

  #fail(failure: TestFailure): void {
    this.failed += 1;
    this.failures.push(failure);
  }
}

function switchedOff(end: TestEnd): string | undefined {
  if (end.skip !== undefined && end.skip !== false) return 'was skipped: make it run everywhere or delete it';
  if (end.todo !== undefined && end.todo !== false) return 'is marked todo: write it or delete it';
  return undefined;
}

/** True for a parent that failed only because a child did. */
function isConsequence(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'failureType' in error && error.failureType === 'subtestsFailed';
}

function reasonOf(error: unknown): string {
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (cause instanceof Error) return cause.stack ?? cause.message;
  return typeof cause === 'string' ? cause : JSON.stringify(cause);
}
