// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** A program as it ships, and the same sources with the sanitizers of the compiler. */
export type Build = 'hardened' | 'sanitized';

/** Compiles both of a program of compile.sh into a directory that the caller removes. Throws with the compiler's words. */
export function compileBuilds(directory: string, program: 'bridge' | 'exec'): Record<Build, string> {
  const compile = (name: Build, ...flags: string[]): string => {
    const output = join(directory, name);
    const script = join(import.meta.dirname, '../compile.sh');
    const { status, stderr } = spawnSync('/bin/sh', [script, output, ...flags], {
      encoding: 'utf8',
      timeout: 120_000,
      env: { PATH: '/usr/bin:/bin', PROGRAM: program },
    });
    if (status !== 0) throw new Error(`${program} does not compile: ${stderr}`);
    return output;
  };
  return { hardened: compile('hardened'), sanitized: compile('sanitized', '--sanitize') };
}
