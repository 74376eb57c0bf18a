// SPDX-License-Identifier: Apache-2.0
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstancePaths } from '@bureau/instance';
import { LIBRARY, copyBuild } from './copied-build.ts';

/** As long as a build's name. */
const NAME = 'c10c'.repeat(4);

/** A copy of an instance's build whose processes take the time of a clock that a test sets. */
export class ClockBuild implements Disposable {
  /** Of the build, as `/usr/lib/bureau/<hash>` is. */
  readonly path: string;
  readonly #directory: string;

  constructor(paths: InstancePaths) {
    this.#directory = mkdtempSync(join(LIBRARY, 'clock-'));
    chmodSync(this.#directory, 0o755);
    const preload = join(this.#directory, 'set-clock.ts');
    copyFileSync(join(import.meta.dirname, 'set-clock.main.ts'), preload);
    this.set(0);
    this.path = join(this.#directory, NAME);
    copyBuild(paths, this.path, preload);
  }

  /** How far its clock is from the true one from now on; every process notices within 50 ms. */
  set(milliseconds: number): void {
    writeFileSync(join(this.#directory, 'offset'), String(milliseconds));
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}
