// SPDX-License-Identifier: Apache-2.0
import type { ControllerName } from './cgroup-controllers.ts';

/** What a group may use at most; what is not named is not limited. */
export interface GroupLimits {
  /** Bytes of memory, file cache, memory file systems and swap together. */
  readonly memory?: number | undefined;
  /** Processes and threads. */
  readonly pids?: number | undefined;
  /** Share of the processor when others want it too; 100 is everybody's, 1 to 10000. */
  readonly cpuWeight?: number | undefined;
  /** Percent of one core: 150 is one core and a half. */
  readonly cpuQuota?: number | undefined;
  /** Share of the disk when others want it too; 100 is everybody's, 1 to 10000. */
  readonly ioWeight?: number | undefined;
}

/** One file of a group and what is written to it. */
export interface LimitFile {
  readonly controller: ControllerName;
  readonly file: string;
  readonly value: string;
  /** True for what only some kernels have: `memory.swap.max` needs swap accounting. */
  readonly optional?: boolean;
}

/** The scheduler's period, the kernel's own default. */
const PERIOD_MICROSECONDS = 100_000;
/** The least quota that the kernel takes. */
const QUOTA_LEAST_MICROSECONDS = 1_000;
/** Version 1 counts the processor's shares from 1024 where version 2 counts weight from 100. */
const SHARES_PER_WEIGHT = 1_024 / 100;

/** The files that hold a group to its limits, in the order in which they are written. Pure. */
export function limitFiles(limits: GroupLimits, version: 1 | 2): LimitFile[] {
  const { memory, pids, cpuWeight, cpuQuota, ioWeight } = limits;
  const quota = cpuQuota === undefined ? 0 : Math.max(QUOTA_LEAST_MICROSECONDS, Math.round((cpuQuota / 100) * PERIOD_MICROSECONDS));
  const all: (LimitFile | false)[] =
    version === 2
      ? [
          memory !== undefined && { controller: 'memory', file: 'memory.max', value: String(memory) },
          // Memory and swap are one limit: what may not be in memory may not be in swap either.
          memory !== undefined && { controller: 'memory', file: 'memory.swap.max', value: '0', optional: true },
          pids !== undefined && { controller: 'pids', file: 'pids.max', value: String(pids) },
          cpuWeight !== undefined && { controller: 'cpu', file: 'cpu.weight', value: String(cpuWeight) },
          cpuQuota !== undefined && { controller: 'cpu', file: 'cpu.max', value: `${quota} ${PERIOD_MICROSECONDS}` },
          ioWeight !== undefined && { controller: 'io', file: 'io.weight', value: `default ${ioWeight}`, optional: true },
        ]
      : [
          memory !== undefined && { controller: 'memory', file: 'memory.limit_in_bytes', value: String(memory) },
          memory !== undefined && { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: String(memory), optional: true },
          pids !== undefined && { controller: 'pids', file: 'pids.max', value: String(pids) },
          cpuWeight !== undefined && {
            controller: 'cpu',
            file: 'cpu.shares',
            value: String(Math.max(2, Math.round(cpuWeight * SHARES_PER_WEIGHT))),
          },
          cpuQuota !== undefined && { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(PERIOD_MICROSECONDS) },
          cpuQuota !== undefined && { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(quota) },
          ioWeight !== undefined && {
            controller: 'io',
            file: 'blkio.bfq.weight',
            value: String(Math.min(1_000, ioWeight)),
            optional: true,
          },
        ];
  return all.filter((file) => file !== false);
}
