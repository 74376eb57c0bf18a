// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The compiler takes a second; longer is a hang. */
const COMPILE_MILLISECONDS = 120_000;

/** Compiles `program` of apps/bridge of `root` to the file `output`; nothing where a checkout (of a test) has no bridge. Throws with the compiler's words. */
export function compileBridge(root: string, output: string, program: 'bridge' | 'call' | 'starter' = 'bridge'): void {
  const script = join(root, 'apps/bridge/compile.sh');
  if (!existsSync(script)) return;
  const { status, error, stderr } = spawnSync('/bin/sh', [script, output], {
    encoding: 'utf8',
    timeout: COMPILE_MILLISECONDS,
    env: { ...process.env, PROGRAM: program },
  });
  if (status !== 0) throw new Error(`apps/bridge does not compile: ${error?.message ?? stderr.trim()}`);
}
