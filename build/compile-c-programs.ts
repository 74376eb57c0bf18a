// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** The compiler takes a second; longer is a hang. */
const COMPILE_MILLISECONDS = 120_000;

/** The folder that the programs have in a build. `inside` is mounted into every sandbox and holds nothing else; the starter runs outside. */
const FOLDERS = { bridge: 'inside', exec: 'inside', 'proxy-call': 'inside', starter: 'bin' } as const;

/** Compiles apps/c-programs of `root` into the build `directory`; nothing where a checkout (of a test) has none. Throws with the compiler's words. */
export function compilePrograms(root: string, directory: string): void {
  const script = join(root, 'apps/c-programs/compile.sh');
  if (!existsSync(script)) return;
  for (const [program, folder] of Object.entries(FOLDERS)) {
    mkdirSync(join(directory, folder), { recursive: true });
    const { status, error, stderr } = spawnSync('/bin/sh', [script, join(directory, folder, `bureau-${program}`)], {
      encoding: 'utf8',
      timeout: COMPILE_MILLISECONDS,
      env: { ...process.env, PROGRAM: program },
    });
    if (status !== 0) throw new Error(`bureau-${program} does not compile: ${error?.message ?? stderr.trim()}`);
  }
}
