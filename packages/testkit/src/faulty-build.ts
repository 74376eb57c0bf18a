// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { InstancePaths } from '@bureau/instance';
import { LIBRARY, copyBuild } from './copied-build.ts';
import { WriteFaults } from './write-faults.ts';

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
    copyBuild(paths, this.path, this.preload);
  }

  [Symbol.dispose](): void {
    rmSync(dirname(this.path), { recursive: true });
  }
}
