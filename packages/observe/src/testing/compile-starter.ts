// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Compiles bureau-starter of this checkout to the file `output`. Throws with the compiler's words. */
export function compileStarter(output: string): void {
  const script = join(import.meta.dirname, '../../../../apps/bridge/compile.sh');
  execFileSync('/bin/sh', [script, output], { env: { PATH: '/usr/bin:/bin', PROGRAM: 'starter' }, stdio: 'pipe' });
}
