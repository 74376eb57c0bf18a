// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** The compiler takes a second; longer is a hang. */
const COMPILE_MILLISECONDS = 120_000;

/**
 * The programs of apps/bridge where a build has them, and what its compile.sh calls them. `inside/` is mounted into every sandbox and holds
 * nothing else.
 */
const PROGRAMS = {
  'inside/bureau-bridge': 'bridge',
  'inside/bureau-exec': 'exec',
  'inside/bureau-proxy-call': 'call',
  'bin/bureau-starter': 'starter',
} as const;

/** Compiles the programs of apps/bridge of `root` into the build `directory`; nothing where a checkout (of a test) has none. Throws with the compiler's words. */
export function compilePrograms(root: string, directory: string): void {
  const script = join(root, 'apps/bridge/compile.sh');
  if (!existsSync(script)) return;
  for (const part of ['bin', 'inside']) mkdirSync(join(directory, part), { recursive: true });
  for (const [name, program] of Object.entries(PROGRAMS)) {
    const { status, error, stderr } = spawnSync('/bin/sh', [script, join(directory, name)], {
      encoding: 'utf8',
      timeout: COMPILE_MILLISECONDS,
      env: { ...process.env, PROGRAM: program },
    });
    if (status !== 0) throw new Error(`apps/bridge does not compile: ${error?.message ?? stderr.trim()}`);
  }
}
