// SPDX-License-Identifier: Apache-2.0
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What fails. */
export interface WriteFault {
  /** Which process, by its file without `.js`: `cli`, `stand`, `launcher`, `daemon`, `proxy`, `relay`, `install.ts`. */
  readonly program: string;
  readonly code: 'ENOSPC' | 'EROFS' | 'SIGKILL';
}

/** The writes of Node processes that `--import` {@link preload}, below some directories, fail one after the other. */
export class WriteFaults {
  readonly #directory: string;
  readonly #failing: readonly string[];
  #id = 0;

  /** `directory` is the caller's, and every process's that is to fail must be able to enter it. */
  constructor(directory: string, failing: readonly string[]) {
    this.#directory = directory;
    this.#failing = failing;
    copyFileSync(join(import.meta.dirname, 'failing-writes.main.ts'), this.preload);
    this.begin();
  }

  get preload(): string {
    return join(this.#directory, 'failing-writes.ts');
  }

  /** Forgets which writes have failed. Every process may add to the list. */
  begin(): void {
    this.clear();
    const seen = join(this.#directory, 'seen');
    rmSync(seen, { force: true });
    writeFileSync(seen, '');
    chmodSync(seen, 0o666);
  }

  /** From now on: the next write that has not failed yet fails, and all after it. */
  set(fault: WriteFault): void {
    this.#id += 1;
    writeFileSync(join(this.#directory, 'fault.json'), JSON.stringify({ ...fault, id: this.#id, directories: this.#failing }));
  }

  /** The disk is well again. */
  clear(): void {
    rmSync(join(this.#directory, 'fault.json'), { force: true });
  }

  /** The writes that have failed, in order: `open /etc/bureau-x/…`. */
  failed(): string[] {
    return readFileSync(join(this.#directory, 'seen'), 'utf8').split('\n').slice(0, -1);
  }
}
