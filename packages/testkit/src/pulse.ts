// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { BureauError, parsePrincipalName } from '@bureau/core';
import type { InstanceProcess } from './instance-processes.ts';
import type { Stand } from './stand.ts';
import { until } from './until.ts';

/** A fresh connection for each call, as an agent's `curl` has it; one line for each, with the times of its begin and end. */
const PROGRAM = `
const { request } = require('node:http');
const { appendFileSync } = require('node:fs');
const call = () => new Promise((resolve) => {
  const out = request({ socketPath: '/proxy.sock', path: '/v1/identity', headers: { host: 'bureau' }, agent: false, timeout: 2000 }, (answer) => {
    answer.resume();
    answer.once('error', (error) => resolve(error.code));
    answer.once('end', () => resolve(answer.statusCode === 200 ? 'ok' : 'HTTP_' + answer.statusCode));
  });
  out.once('timeout', () => out.destroy(Object.assign(new Error('late'), { code: 'TIMEOUT' })));
  out.once('error', (error) => resolve(error.code));
  out.end();
});
(async () => {
  for (;;) {
    const began = Date.now();
    const outcome = await call();
    appendFileSync('/workspace/pulse.log', began + ' ' + Date.now() + ' ' + outcome + '\\n');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
})();
`;

/** One call of the payload to its proxy; times in milliseconds since the epoch. */
export interface PulseCall {
  readonly began: number;
  readonly ended: number;
  /** `ok`, or what went wrong: `ECONNREFUSED`, `HTTP_503`, `TIMEOUT`. */
  readonly outcome: string;
}

/** An agent that asks its proxy who it is, again and again, and keeps a record that the test reads from the host's side. */
export interface Pulse {
  readonly principal: string;
  /** The payload as the host sees it. Throws when there is none. */
  payload(): InstanceProcess;
  /** Its principal's number. */
  readonly number: number;
  /** Calls that ended at or after `since`, oldest first. */
  calls(since?: number): PulseCall[];
  /** Resolves within the limit of `startPulse`, with the milliseconds from `since` to the end of the first good call that also began after it. */
  answers(since: number): Promise<number>;
  /** Longest time between the ends of two good calls next to each other, from the last one before `since` on. */
  outage(since: number): number;
}

/** Deploys it on a stand and waits for its first good call; `milliseconds` is the limit of each wait. */
export async function startPulse(stand: Stand, name: string, milliseconds: number): Promise<Pulse> {
  const principal = parsePrincipalName(name);
  const node = `${realpathSync(stand.paths.buildLink)}/bin/node`;
  const { code, stderr } = await stand.bureau(['agent', 'deploy', principal, '--', node, '-e', PROGRAM]);
  if (code !== 0) throw new BureauError('stand_failed', `Expected to deploy ${principal}: ${stderr}`);
  const file = `${stand.paths.workspaceOf(principal)}/pulse.log`;
  const calls = (since = 0): PulseCall[] => readCalls(file).filter(({ ended }) => ended >= since);
  const payload = (): InstanceProcess => {
    const found = stand.processes().find(({ args, zombie }) => !zombie && args[0] === node && args[2] === PROGRAM);
    if (found === undefined) throw new BureauError('not_one_process', `Expected ${principal} to run; there is no such process`);
    return found;
  };
  const answers = async (since: number): Promise<number> =>
    await until(`${principal} gets an answer from its proxy`, milliseconds, () => {
      const good = calls(since).find(({ began, outcome }) => outcome === 'ok' && began >= since);
      return good === undefined ? undefined : good.ended - since;
    });
  await answers(0);
  return {
    principal,
    payload,
    number: Number(payload().role.replace('payload:', '')),
    calls,
    answers,
    outage: (since) =>
      longestGap(
        readCalls(file)
          .filter(({ outcome }) => outcome === 'ok')
          .map(({ ended }) => ended),
        since,
      ),
  };
}

function readCalls(file: string): PulseCall[] {
  if (!existsSync(file)) return [];
  // The last line may be half written.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [began, ended, outcome = ''] = line.split(' ');
    return { began: Number(began), ended: Number(ended), outcome };
  });
}

function longestGap(ends: readonly number[], since: number): number {
  const first = Math.max(
    0,
    ends.findLastIndex((end) => end < since),
  );
  const gaps = ends.slice(first + 1).map((end, index) => end - (ends[first + index] ?? end));
  return Math.max(0, ...gaps);
}
