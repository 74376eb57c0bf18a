// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { readSystemFile, readSystemNumber } from './system-file.ts';

/** What one sandbox has used of the processor since it began, and what it holds of the memory now. */
export interface SandboxUsage {
  readonly cpuMicroseconds: number;
  /** With file cache that is charged to it. */
  readonly memoryBytes: number;
}

/** Where the groups of one instance are on this host; `undefined` where a tree is missing. */
export interface SandboxTrees {
  readonly unified: string | undefined;
  readonly memory: string | undefined;
}

/** Finds the unified tree (cgroup v2, alone or beside version 1), and that of the memory controller where version 1 has it. */
export function findTrees(cgroupName: string, root = ''): SandboxTrees {
  const unified = [`${root}/sys/fs/cgroup/unified`, `${root}/sys/fs/cgroup`].find((path) => existsSync(`${path}/cgroup.controllers`));
  const own = /^\S+ (\S+) cgroup (?:\S*,)?memory(?:,\S*)? /m.exec(readSystemFile(`${root}/proc/self/mounts`) ?? '')?.[1];
  return {
    unified: unified === undefined ? undefined : `${unified}/${cgroupName}`,
    memory: own === undefined ? undefined : `${root}${own}/${cgroupName}`,
  };
}

/** The usage of the sandbox with this number; `undefined` when it is gone or the kernel does not tell. The kernel counts time of groups in the unified tree with or without its controller. */
export function sandboxUsage(trees: SandboxTrees, number: number): SandboxUsage | undefined {
  const group = `sandbox-${number}`;
  const time = /^usage_usec ([0-9]{1,16})$/m.exec(readSystemFile(`${trees.unified}/${group}/cpu.stat`) ?? '')?.[1];
  const memory =
    readSystemNumber(`${trees.unified}/${group}/memory.current`) ?? readSystemNumber(`${trees.memory}/${group}/memory.usage_in_bytes`);
  return time === undefined ? undefined : { cpuMicroseconds: Number(time), memoryBytes: memory ?? 0 };
}
