// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { chmodSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BureauError } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';

/** Where builds are; a copy shares their files by hard links. */
export const LIBRARY = '/usr/lib/bureau';

/** Copies an instance's build to `path`; with a `preload`, its `node` loads that first. */
export function copyBuild(paths: InstancePaths, path: string, preload?: string): void {
  const installed = realpathSync(paths.buildLink);
  const { status, stderr } = spawnSync('/bin/cp', ['-al', installed, path], { encoding: 'utf8' });
  if (status !== 0) throw new BureauError('copy_failed', `Cannot copy ${installed}: ${stderr}`);
  if (preload === undefined) return;
  const node = join(path, 'bin/node');
  rmSync(node);
  writeFileSync(node, `#!/bin/sh\nexec ${installed}/bin/node --import ${preload} "$@"\n`);
  chmodSync(node, 0o755);
}
