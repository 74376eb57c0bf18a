// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readProcessStatus } from '@bureau/process';
import { rowOf, type Row } from '../../../build/bench/measure.ts';
import { proportionalMemory, type BenchPrincipal, type BenchStand } from './bench-stand.ts';
import { bwrapLine } from './bwrap-line.ts';

/** Prints and stays: output says that it runs, the rest is idle. */
const STAY = ['/bin/sh', '-c', 'echo here; exec sleep 1000'];
const TARGET_MEBIBYTES = 60;
const ADOPT_MILLISECONDS = 1_000;

/** What the measures of many sandboxes at once share. */
export interface ManyOptions {
  /** Created at once. */
  readonly count: number;
  /** Standing idle when memory is measured and the launcher is killed. */
  readonly idle: number;
  readonly warm: number;
  readonly seccomp: Uint8Array;
  readonly say: (line: string) => void;
}

/** `count` creates at once against as many hand-written lines at once; what they hold while they stand; a launcher that finds them. */
export async function* many(stand: BenchStand, { count, idle, warm, seccomp, say }: ManyOptions): AsyncGenerator<Row> {
  const principals = await Promise.all(Array.from({ length: Math.max(count, idle) }, (_, index) => stand.principal(`many${index}`)));
  // Once before, one by one: numbers and files of the first time are there, and outputs have a place.
  for (const principal of principals) await stand.destroy(principal, (await stand.create(principal, ['/bin/true'])).id);
  await stand.poolsFull(warm);
  const lines = await perSecond(count, () => bwrapLine(seccomp, ['/bin/echo', 'here']));
  const running = new Map<BenchPrincipal, string>();
  const answered: Promise<void>[] = [];
  const started = performance.now();
  const ours = await perSecond(count, async (index) => {
    const principal = principals[index];
    if (principal === undefined) return;
    const output = stand.nextOutput(stand.numberOf(principal));
    answered.push(stand.create(principal, STAY).then(({ id }) => void running.set(principal, id)));
    await output.at;
  });
  await Promise.all(answered);
  const answers = (count * 1_000) / (performance.now() - started);
  yield rowOf(`creates per second to first output, ${count} at once, pools of ${warm}`, ours, lines, '>= 0.5x', ours >= 0.5 * lines);
  yield rowOf(`the same until the last is answered: its proxy serves with its keys`, answers, lines, '', true);
  for (const principal of principals.slice(count)) running.set(principal, (await stand.create(principal, STAY)).id);
  yield await memory(stand, running.size, say);
  const back = await stand.restartLauncher();
  const found = (await stand.launcher.call('list', {})).sandboxes.filter(({ state }) => state === 'running').length;
  const name = `launcher killed, its successor answers and knows ${found} of ${running.size} (ms)`;
  yield rowOf(name, back, await nodeStart(), `<= ${ADOPT_MILLISECONDS} ms`, back <= ADOPT_MILLISECONDS && found === running.size);
  await Promise.all([...running].map(([principal, id]) => stand.destroy(principal, id)));
}

/** `count` at once, per second. */
async function perSecond(count: number, one: (index: number) => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await Promise.all(Array.from({ length: count }, (_, index) => one(index)));
  return (count * 1_000) / (performance.now() - started);
}

async function memory(stand: BenchStand, count: number, say: (line: string) => void): Promise<Row> {
  // Those that wait are root.
  const memoryOf = (groups: RegExp, waiting: boolean): number =>
    proportionalMemory(stand.pidsOf(groups).filter((pid) => (readProcessStatus(pid)?.uids[0] === 0) === waiting));
  const kinds = { relay: /^relay-/, proxy: /^proxy-/, 'bwrap and payload': /^sandbox-/ };
  const each = Object.entries(kinds).map(([kind, groups]) => [kind, memoryOf(groups, false) / count] as const);
  const own = { launcher: /^launcher$/, stand: /^manager$/, 'waiting relays': /^relay-/, 'waiting proxies': /^proxy-/ };
  const rest = Object.entries(own).map(([kind, groups]) => `${kind} ${memoryOf(groups, true).toFixed(0)}`);
  say(
    `PSS in MiB of each sandbox: ${each.map(([kind, mebibytes]) => `${kind} ${mebibytes.toFixed(1)}`).join(', ')}; once: ${rest.join(', ')}`,
  );
  const total = each.reduce((sum, [, mebibytes]) => sum + mebibytes, 0);
  const largest = each.toSorted(([, a], [, b]) => b - a)[0];
  say(
    `to halve it: ${largest?.[0]} is the largest part; a Node process costs about 20 MiB of its own beside nine others, so one process would have to serve several principals (given up with the wall between their keys) or be no Node`,
  );
  return rowOf(
    `memory of each of ${count} idle sandboxes with relay and proxy, PSS (MiB)`,
    total,
    await idleLine(),
    `<= ${TARGET_MEBIBYTES} MB`,
    total * 1.048576 <= TARGET_MEBIBYTES,
  );
}

/** A bare bwrap around a sleeping process, PSS in MiB. */
async function idleLine(): Promise<number> {
  const args = [
    '--unshare-all',
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
  ];
  const line = [...args, '--symlink', 'usr/lib64', '/lib64', '--proc', '/proc', '--', '/bin/sh', '-c', 'echo here; exec sleep 1000'];
  const child = spawn('/usr/bin/bwrap', line, { stdio: ['ignore', 'pipe', 'inherit'], uid: 65_534, gid: 65_534, env: {}, cwd: '/' });
  await once(child.stdout, 'data');
  const own = proportionalMemory([child.pid ?? 0]);
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  return own;
}

async function nodeStart(): Promise<number> {
  const started = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - started;
}
