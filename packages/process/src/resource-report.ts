// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import type { ControllerName, ControllerSupport } from './cgroup-controllers.ts';

/** Whether this host holds sandboxes to one kind of limit. */
export interface ResourceFinding {
  readonly resource: string;
  readonly enforced: boolean;
  /** By what; or what is missing and what would help. */
  readonly how: string;
}

const WHAT: Readonly<Record<ControllerName, string>> = {
  memory: 'memory and swap',
  pids: 'processes and threads',
  cpu: 'share and quota of the processor',
  io: 'share of the disk',
};

/**
 * Everything that a payload can use up, and what stands before it on this host. Nothing is left out because it cannot be held: that is
 * what the report is for.
 */
export function resourceReport({ present, missing }: ControllerSupport, blockDevices = '/sys/block'): ResourceFinding[] {
  const controllers = present.map(({ name, version }): ResourceFinding => {
    if (name === 'io') return ioFinding(version, blockDevices);
    return { resource: WHAT[name], enforced: true, how: `cgroup version ${version}, controller ${name}` };
  });
  return [
    ...controllers,
    ...missing.map(({ name, reason }) => ({ resource: WHAT[name], enforced: false, how: reason })),
    { resource: 'open files, size of one file, core dumps', enforced: true, how: 'limits of the process (setrlimit)' },
    { resource: 'size of /tmp, /dev/shm, home', enforced: true, how: 'size of the memory file system; its pages count as memory' },
    present.some(({ name }) => name === 'memory')
      ? { resource: 'number of files in /tmp, /dev/shm, home', enforced: true, how: 'the kernel counts inodes as memory of the sandbox' }
      : {
          resource: 'number of files in /tmp, /dev/shm, home',
          enforced: false,
          how: 'bubblewrap cannot set nr_inodes, and without the controller memory nothing counts them',
        },
    {
      resource: 'bytes in /workspace',
      enforced: false,
      how: 'Bureau sets no disk quota: give /var/lib/bureau/workspace a file system of its own, so that a payload cannot fill the host’s',
    },
    {
      resource: 'pseudo-terminals',
      enforced: false,
      how: 'bubblewrap cannot set the limit of a devpts: sandboxes share kernel.pty.max less kernel.pty.reserve, which relays and the host keep',
    },
  ];
}

/** Weights of the disk work only with a scheduler that knows them. */
function ioFinding(version: 1 | 2, blockDevices: string): ResourceFinding {
  const fair = schedulers(blockDevices).filter(({ active }) => active === 'bfq');
  const resource = WHAT.io;
  if (fair.length > 0)
    return { resource, enforced: true, how: `cgroup version ${version}, scheduler bfq of ${fair.map(({ device }) => device).join(', ')}` };
  return { resource, enforced: false, how: 'no disk uses the scheduler bfq: echo bfq > /sys/block/DISK/queue/scheduler' };
}

function schedulers(blockDevices: string): { device: string; active: string | undefined }[] {
  if (!existsSync(blockDevices)) return [];
  return readdirSync(blockDevices).flatMap((device) => {
    const file = `${blockDevices}/${device}/queue/scheduler`;
    return existsSync(file) ? [{ device, active: /\[(.+?)\]/.exec(readFileSync(file, 'utf8'))?.[1] }] : [];
  });
}
