// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BureauError } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';
import { WriteFaults } from './write-faults.ts';

/** Where builds are; the copy shares their files by hard links. */
const LIBRARY = '/usr/lib/bureau';
/** As long as a build's name. */
const NAME = 'fa17'.repeat(4);

/** A copy of an instance's build whose processes fail at one write after the other. */
export class FaultyBuild extends WriteFaults implements Disposable {
  /** Of the build, as `/usr/lib/bureau/<hash>` is. */
  readonly path: string;

  constructor(paths: InstancePaths) {
    const directory = mkdtempSync(join(LIBRARY, 'fault-'));
    chmodSync(directory, 0o755);
    super(directory, [paths.configDir, paths.stateDir, paths.logDir, paths.runDir, '/etc/bureau']);
    this.path = join(directory, NAME);
    const installed = realpathSync(paths.buildLink);
    const { status, stderr } = spawnSync('/bin/cp', ['-al', installed, this.path], { encoding: 'utf8' });
    if (status !== 0) throw new BureauError('copy_failed', `Cannot copy ${installed}: ${stderr}`);
    const node = join(this.path, 'bin/node');
    rmSync(node);
    writeFileSync(node, `#!/bin/sh\nexec ${installed}/bin/node --import ${this.preload} "$@"\n`);
    chmodSync(node, 0o755);
  }

  [Symbol.dispose](): void {
    rmSync(dirname(this.path), { recursive: true });
  }
}
