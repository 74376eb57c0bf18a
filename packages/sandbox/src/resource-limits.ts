// SPDX-License-Identifier: Apache-2.0
import { totalmem } from 'node:os';
import type { ControllerSupport } from '@bureau/process';
import type { SandboxResources } from '@bureau/protocol';
import type { LauncherPolicy } from './policy-file.ts';

/** What a sandbox is held to. All set, whatever its spec left out, but for a processor quota. */
export interface EffectiveLimits {
  readonly memory: number;
  readonly pids: number;
  readonly cpuWeight: number;
  readonly cpuQuota: number | undefined;
  readonly ioWeight: number;
  readonly openFiles: number;
  readonly fileSize: number;
}

/** The part of the host's memory that a sandbox gets unless it asks for less or more: one that eats all it can leaves the other half. */
const MEMORY_SHARE = 1 / 2;
/** The most that a policy without a word on it allows: what is left is enough for daemon, homeserver and proxies of a small machine. */
const MEMORY_MOST_SHARE = 3 / 4;
/** A build with a compiler on each core and a browser need a few hundred; a fork bomb is stopped before the host's table (32768) notices. */
const PIDS = 1_024;
/** Everybody's weight. */
const WEIGHT = 100;
/** Node raises its soft limit to the hard one and a bundler opens some thousands; what is above is a leak. */
const OPEN_FILES = 8_192;
/** Larger than any model file or database that agents write; a sparse file of 100 GB is refused. */
const FILE_SIZE = 16 * 2 ** 30;
/** RLIMIT_NPROC stands this far above the limit of the group, so that the group refuses first and counts it. */
const NPROC_MARGIN = 64;

/** What is the host's own, and no policy's. */
export interface Machine {
  /** Bytes. */
  readonly memory: number;
}

/** Looks at this host. */
export function readMachine(): Machine {
  return { memory: totalmem() };
}

/** The spec's wishes and, for the rest, defaults, which never exceed what policy allows. Pure. */
export function effectiveLimits(asked: SandboxResources | undefined, policy: LauncherPolicy['limits'], machine: Machine): EffectiveLimits {
  const most = mostOf(policy, machine);
  const pick = (name: keyof typeof most, usual: number): number => asked?.[name] ?? Math.min(usual, most[name] ?? usual);
  return {
    memory: pick('memory', Math.floor(machine.memory * MEMORY_SHARE)),
    pids: pick('pids', PIDS),
    cpuWeight: pick('cpuWeight', WEIGHT),
    cpuQuota: asked?.cpuQuota ?? most.cpuQuota,
    ioWeight: pick('ioWeight', WEIGHT),
    openFiles: pick('openFiles', OPEN_FILES),
    fileSize: pick('fileSize', FILE_SIZE),
  };
}

/** The first wish that policy does not allow, in words, or `undefined`. Pure. */
export function refusedResource(
  asked: SandboxResources | undefined,
  policy: LauncherPolicy['limits'],
  machine: Machine,
): string | undefined {
  const most = mostOf(policy, machine);
  for (const [name, value] of Object.entries(asked ?? {}) as [keyof SandboxResources, number | undefined][]) {
    const limit = most[name];
    if (value !== undefined && limit !== undefined && value > limit)
      return `resources.${name} is ${value} and this machine allows ${limit} (limits.${name} in its policy)`;
  }
  return undefined;
}

/**
 * The first wish that this host cannot hold a sandbox to, in words, or `undefined`. Weights are left out: without them nothing is less
 * safe. Pure.
 */
export function unenforceable(asked: SandboxResources | undefined, { missing }: ControllerSupport): string | undefined {
  const needed = { memory: asked?.memory, pids: asked?.pids, cpu: asked?.cpuQuota };
  const lacking = missing.find(({ name }) => name !== 'io' && needed[name] !== undefined);
  return (
    lacking && `this host cannot hold it to the ${lacking.name} that it asks for (${lacking.reason}); leave it out to run without a limit`
  );
}

/** What the process limits of the payload are; see `StartPlan`. */
export function processLimits({ openFiles, fileSize, pids }: EffectiveLimits): { openFiles: number; fileSize: number; processes: number } {
  return { openFiles, fileSize, processes: pids + NPROC_MARGIN };
}

function mostOf(policy: LauncherPolicy['limits'], machine: Machine): Readonly<Record<keyof SandboxResources, number | undefined>> {
  return {
    memory: policy.memory ?? Math.floor(machine.memory * MEMORY_MOST_SHARE),
    pids: policy.pids,
    cpuWeight: policy.cpuWeight,
    cpuQuota: policy.cpuQuota,
    ioWeight: policy.ioWeight,
    openFiles: policy.openFiles,
    fileSize: policy.fileSize,
  };
}
