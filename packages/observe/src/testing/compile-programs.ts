// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The compiler takes a second; longer is a hang. */
const COMPILE_MILLISECONDS = 60_000;

/**
 * As it ships; with the address and undefined-behaviour sanitizers, which end a program that does what it may not, and say so on its standard
 * error; as it ships, but with a starter's waits for others shortened to 300, 400 and 500 ms (sandbox, "go", relay).
 */
export type ProgramBuild = 'hardened' | 'sanitized' | 'hurried';

const FLAGS: Readonly<Record<ProgramBuild, readonly string[]>> = { hardened: [], sanitized: ['--sanitize'], hurried: ['--hurried'] };

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
  execFileSync('/bin/sh', [script, output, ...FLAGS[build]], { env, stdio: 'pipe', timeout: COMPILE_MILLISECONDS });
}
