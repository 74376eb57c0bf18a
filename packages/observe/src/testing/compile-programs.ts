// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The compiler takes a second; longer is a hang. */
const COMPILE_MILLISECONDS = 60_000;

/** Compiles bureau-starter of this checkout to the file `output`. Throws with the compiler's words. */
export function compileStarter(output: string): void {
  compile('starter', output);
}

/** Compiles bureau-exec of this checkout to the file `output`. Throws with the compiler's words. */
export function compileExec(output: string): void {
  compile('exec', output);
}

function compile(program: string, output: string): void {
  const script = join(import.meta.dirname, '../../../../apps/c-programs/compile.sh');
  const env = { PATH: '/usr/bin:/bin', PROGRAM: program };
  execFileSync('/bin/sh', [script, output], { env, stdio: 'pipe', timeout: COMPILE_MILLISECONDS });
}
