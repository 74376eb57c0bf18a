// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const COMPILER = '/usr/bin/aarch64-linux-gnu-gcc';
/** Debian's emulation of one program's instructions; its system calls are this machine's. */
export const EMULATOR = '/usr/bin/qemu-aarch64-static';
const COMPILE_MILLISECONDS = 120_000;

/** One program of compile.sh for two processors, with the flags that ship. */
export interface BothPrograms {
  /** For the processor of this machine. */
  readonly here: string;
  /** The same sources for arm64, started by the emulator: a script that takes the program's arguments. */
  readonly arm64: string;
  /** What that script emulates. */
  readonly arm64Binary: string;
}

/** Compiles into a directory that the caller removes. Throws with the compiler's words. */
export function compileForBoth(directory: string, program: 'bridge' | 'exec' | 'proxy-call' | 'starter'): BothPrograms {
  const compile = (output: string, compiler: Record<string, string>): string => {
    const script = join(import.meta.dirname, '../compile.sh');
    const env = { PATH: '/usr/bin:/bin', PROGRAM: program, ...compiler };
    const { status, stderr } = spawnSync('/bin/sh', [script, output], { encoding: 'utf8', timeout: COMPILE_MILLISECONDS, env });
    if (status !== 0) throw new Error(`${program} does not compile: ${stderr}`);
    return output;
  };
  const arm64 = join(directory, `${program}-arm64`);
  const arm64Binary = compile(`${arm64}-binary`, { CC: COMPILER });
  writeFileSync(arm64, `#!/bin/sh\nexec ${EMULATOR} ${arm64Binary} "$@"\n`, { mode: 0o755 });
  return { here: compile(join(directory, `${program}-here`), {}), arm64, arm64Binary };
}

/** What `readelf -hlW` says of a program. */
export function elfOf(program: string): string {
  return spawnSync('/usr/bin/readelf', ['-hlW', program], { encoding: 'utf8' }).stdout;
}
