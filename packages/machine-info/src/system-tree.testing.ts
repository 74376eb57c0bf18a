// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Clock, Timer } from '@bureau/core';

/** A `/proc` and `/sys` of a test's own. */
export function systemTree(
  context: TestContext,
  files: Readonly<Record<string, string>>,
): { readonly root: string; write(path: string, text: string): void } {
  const root = mkdtempSync(join(tmpdir(), 'bureau-system-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  for (const [path, text] of Object.entries(files)) write(path, text);
  return { root, write };
}

/** Time that passes when the test says so. */
export class HandClock implements Clock {
  #now = 0;
  readonly #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return 1_700_000_000_000 + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  setTimer(milliseconds: number, callback: () => void): Timer {
    const timer = { at: this.#now + milliseconds, run: callback };
    this.#timers.push(timer);
    return { clear: () => void (this.#timers.includes(timer) && this.#timers.splice(this.#timers.indexOf(timer), 1)) };
  }

  /** Lets time pass, timer by timer; what they, or the caller before, began has had its turn when this resolves. */
  async pass(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.#now = next.at;
      next.run();
      await new Promise(setImmediate);
    }
    this.#now = until;
    await new Promise(setImmediate);
  }
}
