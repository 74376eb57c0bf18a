// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { PrincipalName } from '@bureau/core';
import { median, rowOf, type Report, type Row } from '../../../build/bench/measure.ts';
import { DaemonStand } from './daemon-stand.ts';

/** At rest, as an instance has them unless its settings say otherwise. */
const WARM = 2;
const FIRST_OUTPUT_MILLISECONDS = 250;
const ADOPTED_MILLISECONDS = 3_000;
const MEMORY_MEGABYTES = 200;
const PRINCIPALS = 100;

interface Rounds {
  readonly rounds: number;
  readonly say: (line: string) => void;
}

/** From the request of a person's client to the first byte of the sandbox that it asked for. */
async function* firstOutput(stand: DaemonStand, { rounds, say }: Rounds): AsyncGenerator<Row> {
  const principal = await stand.provision('one');
  const agent = (generation: number): object => ({ command: ['/bin/echo', 'here'], restart: 'never', generation });
  const ended = (generation: number) => async (): Promise<boolean> => {
    const status = (await stand.principals())?.find((each) => each.principal === principal);
    return status?.generation === generation && status.exit !== undefined;
  };
  await stand.assign(principal, agent(0));
  await stand.until('a first end', ended(0));
  const number = stand.numberOf(principal);
  const stages: { readonly [stage: string]: number }[] = [];
  for (let round = 1; round <= rounds + 2; round += 1) {
    await stand.poolsFull(WARM);
    const output = stand.nextOutput(number);
    const began = performance.timeOrigin + performance.now();
    await stand.assign(principal, agent(round));
    const sent = performance.timeOrigin + performance.now() - began;
    const out = (await output) - began;
    await stand.until(`the end of ${round}`, ended(round));
    // The first two are warm-up: code is compiled by them.
    if (round > 2) stages.push({ sent, ...stagesIn(stand, principal, began), out });
  }
  const middle = (stage: string): number => median(stages.flatMap((each) => (each[stage] === undefined ? [] : [each[stage]])));
  const ours = middle('out');
  yield rowOf(
    `state event sent to the sandbox's first output, p50 of ${rounds} (ms), against a send of it alone`,
    ours,
    middle('sent'),
    `<= ${FIRST_OUTPUT_MILLISECONDS} ms`,
    ours <= FIRST_OUTPUT_MILLISECONDS,
  );
  const named = ['arrived', 'planned', 'sent', 'created', 'out'].map((stage) => `${stage} ${middle(stage).toFixed(0)}`);
  say(
    `median of ms from the request: ${named.join(', ')} (sent: the homeserver has answered the client; arrived: the daemon's sync has it)`,
  );
}

/** When the daemon heard of it, when it asked the launcher, and when that had answered: by their logs. */
function stagesIn(stand: DaemonStand, principal: PrincipalName, began: number): Record<string, number> {
  const since = (log: string, message: string, field?: string): number | undefined => {
    const line = stand.log(log).find(({ time, msg, principal: who, action }) => {
      if (msg !== message || Date.parse(time) < Math.floor(began)) return false;
      return field === undefined || (who === principal && (action ?? 'create') === field);
    });
    return line === undefined ? undefined : Date.parse(line.time) - began;
  };
  const found = {
    arrived: since('daemon', 'the rooms have changed'),
    planned: since('daemon', 'acting', 'create'),
    created: since('launcher', 'sandbox created', 'create'),
  };
  return Object.fromEntries(Object.entries(found).flatMap(([stage, at]) => (at === undefined ? [] : [[stage, at]])));
}

/** So many run; the daemon is killed, and its successor has all of them and touches none. */
async function* adopted(stand: DaemonStand, count: number): AsyncGenerator<Row> {
  for (let at = 0; at < count; at += 1) {
    const principal = await stand.provision(`many${at}`);
    await stand.assign(principal, { command: ['/bin/sleep', '100000'] });
  }
  // The rest is known and stands still: as much state, nothing that runs.
  for (let at = count; at < PRINCIPALS; at += 1)
    await stand.assign(await stand.provision(`many${at}`), { command: ['/bin/sleep', '100000'], desired: 'stopped' });
  await stand.settled(count);
  const sandboxes = /^(sandbox|relay)-[0-9]+$/;
  const before = stand.pidsOf(sandboxes).join();
  const took = await stand.restartDaemon(async () => {
    const status = await stand.status();
    const running = (await stand.principals())?.filter(({ state }) => state === 'running').length;
    return status?.sync === 'live' && running === count && (await stand.planned()) === 0;
  });
  const same = stand.pidsOf(sandboxes).join() === before;
  yield rowOf(
    `daemon killed with ${count} running, until its successor is live, has all and none is touched (ms), against a start of Node`,
    took,
    await nodeStart(),
    `<= ${ADOPTED_MILLISECONDS} ms`,
    same && took <= ADOPTED_MILLISECONDS,
  );
  const [pid] = stand.pidsOf(/^daemon$/);
  const memory = megabytesOf(pid ?? 0);
  yield rowOf(
    `daemon of ${PRINCIPALS} principals, PSS (MB), against a bare Node`,
    memory,
    await bareNode(),
    `<= ${MEMORY_MEGABYTES} MB`,
    memory <= MEMORY_MEGABYTES,
  );
}

/** Proportional memory of a process. */
function megabytesOf(pid: number): number {
  const kibibytes = Number(/^Pss:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? Number.NaN);
  return (kibibytes * 1_024) / 1_000_000;
}

async function nodeStart(): Promise<number> {
  const began = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - began;
}

async function bareNode(): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)'], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const memory = megabytesOf(child.pid ?? 0);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  return memory;
}

export const reports: readonly Report[] = [
  {
    name: 'daemon on a stand',
    async *run({ full, say, cleanups }) {
      await using stand = await DaemonStand.start(WARM, cleanups);
      yield* firstOutput(stand, { rounds: full ? 100 : 20, say });
      yield* adopted(stand, full ? PRINCIPALS : 20);
    },
  },
];
