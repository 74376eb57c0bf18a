// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cleanups } from './cleanups.ts';

const ROOT = join(import.meta.dirname, '../..');
/** `script/up` of a clone that has nothing yet takes a tenth of it. */
const SCRIPT_MILLISECONDS = 300_000;

/** An instance of a bench's own. From the first `up` on it is purged when the bench ends, however that is, unless `purge` was called before. */
export class BenchInstance {
  readonly #words: readonly string[];
  readonly #cleanups: Cleanups;
  #purge: (() => Promise<void>) | undefined;
  #running: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(name: string, cleanups: Cleanups) {
    this.#words = ['--instance', name];
    this.#cleanups = cleanups;
  }

  /** `script/up`; whatever is there afterwards is purged. */
  async up(...more: readonly string[]): Promise<void> {
    this.#purge ??= this.#cleanups.add(() => this.#purgeNow());
    await this.#run('script/up', more);
  }

  /** `script/down`. */
  async down(): Promise<void> {
    await this.#run('script/down', []);
  }

  /** `script/down --purge`. */
  async purge(): Promise<void> {
    await this.#purge?.();
  }

  async #purgeNow(): Promise<void> {
    this.#isOver = true;
    // An interrupted bench may be in the middle of `script/up`, which would bring up again what we take down.
    await this.#running.catch(() => undefined);
    await this.#script('script/down', ['--purge']);
  }

  /** An interrupted bench goes on behind its end; its next script would only be in the way of the one that takes everything down. */
  async #run(script: string, more: readonly string[]): Promise<void> {
    if (this.#isOver) throw new Error('The bench is over; its instance is taken down');
    this.#running = this.#script(script, more);
    await this.#running;
  }

  async #script(script: string, more: readonly string[]): Promise<void> {
    const args = [...this.#words, ...more];
    // A session of its own: Ctrl-C is ours to answer, and a second one must not end the script that takes everything down.
    const options = { timeout: SCRIPT_MILLISECONDS, detached: true };
    await promisify(execFile)(join(ROOT, script), args, options);
  }
}
