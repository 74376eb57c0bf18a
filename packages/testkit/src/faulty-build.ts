// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BureauError } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';

/** Where builds are; the copy shares their files by hard links. */
const LIBRARY = '/usr/lib/bureau';
/** As long as a build's name. */
const NAME = 'fa17'.repeat(4);

/** What fails. */
export interface WriteFault {
  /** Which process: `cli`, `stand`, `launcher`, `daemon`, `proxy`, `relay`. */
  readonly program: string;
  readonly code: 'ENOSPC' | 'EROFS' | 'SIGKILL';
}

/** A copy of an instance's build whose processes fail at one write after the other. */
export class FaultyBuild implements Disposable {
  readonly #directory: string;
  readonly #directories: readonly string[];
  #id = 0;

  constructor(paths: InstancePaths) {
    const installed = realpathSync(paths.buildLink);
    this.#directory = mkdtempSync(join(LIBRARY, 'fault-'));
    this.#directories = [paths.configDir, paths.stateDir, paths.logDir, paths.runDir, '/etc/bureau'];
    chmodSync(this.#directory, 0o755);
    const { status, stderr } = spawnSync('/bin/cp', ['-al', installed, this.path], { encoding: 'utf8' });
    if (status !== 0) throw new BureauError('copy_failed', `Cannot copy ${installed}: ${stderr}`);
    const preload = join(this.#directory, 'failing-writes.ts');
    copyFileSync(join(import.meta.dirname, 'failing-writes.main.ts'), preload);
    const node = join(this.path, 'bin/node');
    rmSync(node);
    writeFileSync(node, `#!/bin/sh\nexec ${installed}/bin/node --import ${preload} "$@"\n`);
    chmodSync(node, 0o755);
    this.begin();
  }

  get path(): string {
    return join(this.#directory, NAME);
  }

  /** Forgets which writes have failed. Every process of the stand may add to the list. */
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
    writeFileSync(join(this.#directory, 'fault.json'), JSON.stringify({ ...fault, id: this.#id, directories: this.#directories }));
  }

  /** The disk is well again. */
  clear(): void {
    rmSync(join(this.#directory, 'fault.json'), { force: true });
  }

  /** The writes that have failed, in order: `open /etc/bureau-x/…`. */
  failed(): string[] {
    return readFileSync(join(this.#directory, 'seen'), 'utf8').split('\n').slice(0, -1);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}
