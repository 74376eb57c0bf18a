// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BenchInstance } from '../../../build/bench/bench-instance.ts';
import type { Cleanups } from '../../../build/bench/cleanups.ts';
import type { Contest, Measure } from '../../../build/bench/measure.ts';
import { firstOutput, wholeRun } from './timing.ts';

const ROOT = join(import.meta.dirname, '../../..');
const INSTANCE = 'bench';
const STAND = ['--instance', INSTANCE];

/** A hardened bubblewrap line by hand, under an ordinary uid: what a careful person would type. */
const BWRAP = [
  ...[
    '--reuid',
    '65534',
    '--regid',
    '65534',
    '--clear-groups',
    '--',
    '/usr/bin/bwrap',
    '--unshare-all',
    '--unshare-user',
    '--disable-userns',
    '--cap-drop',
    'ALL',
  ],
  ...[
    '--die-with-parent',
    '--ro-bind',
    '/usr',
    '/usr',
    '--symlink',
    'usr/bin',
    '/bin',
    '--symlink',
    'usr/lib',
    '/lib',
    '--symlink',
    'usr/lib64',
    '/lib64',
  ],
  ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--clearenv', '--', '/bin/echo', 'here'],
];

async function prepare(cleanups: Cleanups, contest: Omit<Contest, 'close'>): Promise<Contest> {
  const instance = new BenchInstance(INSTANCE, cleanups);
  await instance.up();
  return { ...contest, close: () => instance.purge() };
}

/** PSS of a process in MiB. */
function memoryOf(pid: number | string): number {
  return Number(/^Pss:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? Number.NaN) / 1_024;
}

/** The one process of this stand whose command line has `mark`. */
function findProcess(mark: string): string {
  for (const pid of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const ofStand =
        line.includes(`--instance ${INSTANCE}`) || readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`/bureau-${INSTANCE}/`);
      if (line.includes(mark) && ofStand) return pid;
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`No process of the stand has ${mark} in its command line`);
}

/** An idle Node with one listener: what any process of ours costs at the least. */
async function idleNode(): Promise<number> {
  const child = spawn(
    join(ROOT, '.toolchain/bin/node'),
    ['-e', 'require("net").createServer().listen(0, "127.0.0.1", () => console.log("up"))'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  await once(child.stdout, 'data');
  const mebibytes = memoryOf(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'close');
  return mebibytes;
}

function memory(kind: string, mark: string): Measure {
  return {
    name: `memory of the ${kind}, PSS, against an idle Node (MiB)`,
    target: '',
    rounds: 1,
    prepare: (cleanups) => prepare(cleanups, { ours: () => Promise.resolve(memoryOf(findProcess(mark))), baseline: idleNode }),
    holds: () => true,
  };
}

export const measures: readonly Measure[] = [
  {
    name: 'bureau run to first output, against a hardened bwrap line (ms)',
    target: '',
    rounds: 7,
    prepare: (cleanups) =>
      prepare(cleanups, {
        ours: () => firstOutput(join(ROOT, 'bin/bureau'), [...STAND, 'run', 'probe/bench', '--no-tty', '--', '/bin/echo', 'here']),
        baseline: () => firstOutput('/usr/bin/setpriv', BWRAP),
      }),
    holds: () => true,
  },
  {
    name: 'script/up with everything in place, against node -e 0 (ms)',
    target: '< 10,000 ms',
    rounds: 3,
    prepare: (cleanups) =>
      prepare(cleanups, {
        ours: () => wholeRun(join(ROOT, 'script/up'), STAND),
        baseline: () => wholeRun(join(ROOT, '.toolchain/bin/node'), ['-e', '0']),
      }),
    holds: (ours) => ours < 10_000,
  },
  memory('launcher', '/lib/launcher.js'),
  memory('daemon', '/lib/daemon.js'),
  memory('proxy', '/lib/proxy.js'),
  memory('relay', '/lib/relay.js'),
  memory('service manager', '/lib/stand.js'),
];
