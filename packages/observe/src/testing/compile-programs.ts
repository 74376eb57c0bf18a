// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The compiler takes a second; longer is a hang. */
const COMPILE_MILLISECONDS = 60_000;

/** As it ships, or with the address and undefined-behaviour sanitizers: those end a program that does what it may not, and say so on its standard error. */
export type ProgramBuild = 'hardened' | 'sanitized';

/** Compiles bureau-starter of this checkout to the file `output`. Throws with the compiler's words. */
export function compileStarter(output: string, build: ProgramBuild = 'hardened'): void {
  compile('starter', output, build);
}

/** Compiles bureau-exec of this checkout to the file `output`. Throws with the compiler's words. */
export function compileExec(output: string): void {
  compile('exec', output, 'hardened');
}

function compile(program: string, output: string, build: ProgramBuild): void {
  const script = join(import.meta.dirname, '../../../../apps/c-programs/compile.sh');
  const env = { PATH: '/usr/bin:/bin', PROGRAM: program };
  const flags = build === 'sanitized' ? ['--sanitize'] : [];
  execFileSync('/bin/sh', [script, output, ...flags], { env, stdio: 'pipe', timeout: COMPILE_MILLISECONDS });
}
