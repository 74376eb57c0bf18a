// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { promisify } from 'node:util';

const PROGRAM_MILLISECONDS = 10_000;
const BWRAP = '/usr/bin/bwrap';

/** What the strength of a sandbox depends on and only this host can say. `undefined`: the host does not have it. */
export interface KernelFacts {
  readonly release: string;
  /** `0.8.0`. */
  readonly bwrapVersion: string | undefined;
  readonly bwrapIsSetuid: boolean;
  readonly usernsClone: string | undefined;
  readonly usernsMost: string | undefined;
  readonly apparmorRestricts: string | undefined;
  readonly apparmorProfile: boolean;
  readonly ptraceScope: string | undefined;
  readonly corePattern: string;
  readonly seccompActions: string | undefined;
  /** Swap areas, and whether what is written there is encrypted or stays in memory. */
  readonly swaps: readonly { readonly name: string; readonly safe: boolean }[];
  /** Bytes that a process of Bureau may keep out of swap; processes inherit it from who starts the stand. */
  readonly lockableBytes: number;
  readonly tpm: boolean;
}

/** Looks at this host once; changes nothing. */
export async function readKernelFacts(signal: AbortSignal): Promise<KernelFacts> {
  return {
    release: release(),
    bwrapVersion: await bwrapVersion(signal),
    bwrapIsSetuid: existsSync(BWRAP) && (statSync(BWRAP).mode & 0o4000) !== 0,
    usernsClone: read('/proc/sys/kernel/unprivileged_userns_clone'),
    usernsMost: read('/proc/sys/user/max_user_namespaces'),
    apparmorRestricts: read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'),
    apparmorProfile: /^(bureau-bwrap|bwrap) /m.test(read('/sys/kernel/security/apparmor/profiles') ?? ''),
    ptraceScope: read('/proc/sys/kernel/yama/ptrace_scope'),
    corePattern: read('/proc/sys/kernel/core_pattern') ?? '',
    seccompActions: read('/proc/sys/kernel/seccomp/actions_avail'),
    swaps: swaps(),
    lockableBytes: lockableBytes(read('/proc/self/limits') ?? ''),
    tpm: existsSync('/dev/tpmrm0'),
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // this kernel has no such file
  }
}

async function bwrapVersion(signal: AbortSignal): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(BWRAP, ['--version'], { env: {}, timeout: PROGRAM_MILLISECONDS, signal });
    return /([0-9]+\.[0-9]+\.[0-9]+)/.exec(stdout)?.[1];
  } catch {
    return undefined; // not installed; the check of programs says so
  }
}

function swaps(): KernelFacts['swaps'] {
  const lines = (read('/proc/swaps') ?? '').split('\n').slice(1);
  return lines.flatMap((line) => {
    const [name] = line.split(/\s+/);
    return name === undefined || name === '' ? [] : [{ name, safe: isSafe(name) }];
  });
}

function lockableBytes(limits: string): number {
  const soft = /^Max locked memory +(\S+)/m.exec(limits)?.[1];
  return soft === 'unlimited' ? Infinity : Number(soft ?? 0);
}

/** Compressed memory, or a device-mapper target of dm-crypt. A swap file is as safe as its file system, which nobody can tell from here. */
function isSafe(name: string): boolean {
  const device = name.replace(/^\/dev\//, '');
  if (/^zram[0-9]+$/.test(device)) return true;
  const blocks = existsSync('/sys/class/block') ? readdirSync('/sys/class/block') : [];
  const block = blocks.find((each) => each === device || read(`/sys/class/block/${each}/dm/name`) === device.replace(/^mapper\//, ''));
  return block !== undefined && (read(`/sys/class/block/${block}/dm/uuid`) ?? '').startsWith('CRYPT-');
}
