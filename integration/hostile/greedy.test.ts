// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { runCommand, startStand, until, type InstanceProcess, type Stand } from '@bureau/testkit';

const START_MILLISECONDS = 30_000;
const END_MILLISECONDS = 15_000;
const FLOOD_MILLISECONDS = 90_000;
const FLOOD_BYTES = 100_000_000;
/** The relay cuts its log at 8 MiB; the write that passes it is one read of a PTY. */
const LOG_MOST_BYTES = 9 * 1024 * 1024;
/** Node's heap may take this much more before it collects (measured: 55 MB); what is not bounded takes all of the flood. */
const GROWTH_MOST_BYTES = 80 * 1024 * 1024;
/** Above what a person starts, far below what harms this machine. */
const FORKS = 200;

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

function livePayloads(): InstanceProcess[] {
  return stand.processes().filter(({ role, zombie, program }) => role.startsWith('payload:') && !zombie && program !== 'bwrap');
}

function fields(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
}

function bytesOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  return Number.parseInt(fields(pid).get(field) ?? '0', 10) * 1024;
}

describe('a greedy payload', () => {
  for (const how of ['SIGINT', 'SIGKILL'] as const) {
    test(`with ${FORKS} children that ignore signals ends whole on ${how} to its command line`, async (t) => {
      const script = `trap '' INT TERM HUP; for i in $(seq ${FORKS}); do (trap '' INT TERM HUP; exec sleep 4242) & done; echo up; wait`;
      await using running = stand.spawnBureau(['run', 'hostile/forks', '--', 'sh', '-c', script]);
      await running.stdout.waitFor('up', START_MILLISECONDS);
      const mine = (): number => livePayloads().filter(({ args }) => args[1] === '4242').length;
      await until('all children', START_MILLISECONDS, () => mine() === FORKS);
      const began = performance.now();
      running.signal(how);
      await running.exitedWithin(END_MILLISECONDS);
      await until('none of them', END_MILLISECONDS, () => mine() === 0);
      t.diagnostic(`gone after ${Math.round(performance.now() - began)} ms`);
    });
  }

  test('that floods its terminal without a reader fills neither the disk nor the relay', async (t) => {
    const script = `read go < /workspace/go; yes 0123456789abcdef | head -c ${FLOOD_BYTES}; echo; echo flooded; exec sleep 1000`;
    const deployed = await stand.bureau(['agent', 'deploy', 'hostile/flood', '--', 'sh', '-c', `mkfifo /workspace/go; ${script}`]);
    assert.equal(deployed.code, 0, deployed.stderr);
    const payload = await until('the payload', START_MILLISECONDS, () =>
      livePayloads().find(({ args }) => args[2]?.includes('mkfifo') === true),
    );
    const number = Number(payload.role.replace('payload:', ''));
    const relay = stand.process(`relay:${number}`).pid;
    const before = bytesOf(relay, 'VmRSS');
    const began = performance.now();
    await runCommand('/bin/sh', ['-c', `echo go > ${stand.paths.workspaceOf('hostile/flood' as never)}/go`]);
    await until('the flood written', FLOOD_MILLISECONDS, () =>
      livePayloads().some(({ role, args }) => role === payload.role && args[0] === 'sleep'),
    );
    t.diagnostic(
      `${FLOOD_BYTES / 1e6} MB in ${Math.round(performance.now() - began)} ms; relay grew by ${Math.round((bytesOf(relay, 'VmHWM') - before) / 1e6)} MB`,
    );
    const log = stand.paths.outputLog(number);
    await until('the last line logged', END_MILLISECONDS, () => readFileSync(log, 'latin1').includes('flooded'));
    assert.ok(statSync(log).size <= LOG_MOST_BYTES, `the log has ${statSync(log).size} bytes`);
    assert.ok(bytesOf(relay, 'VmHWM') - before < GROWTH_MOST_BYTES, `the relay grew from ${before} to ${bytesOf(relay, 'VmHWM')}`);
    assert.equal((await stand.bureau(['agent', 'remove', 'hostile/flood'])).code, 0);
  });

  test('whose reader has stopped reading waits, and costs nobody memory', async (t) => {
    await using running = stand.spawnBureau(['run', 'hostile/stuck', '--', 'sh', '-c', 'echo up; exec yes 0123456789abcdef']);
    await running.stdout.waitFor('up', START_MILLISECONDS);
    running.process.stdout?.pause();
    const payload = await until('the payload', START_MILLISECONDS, () => livePayloads().find(({ args }) => args[0] === 'yes'));
    const written = (): string => /^wchar: (\d+)$/m.exec(readFileSync(`/proc/${payload.pid}/io`, 'utf8'))?.[1] ?? '';
    let last = '';
    let same = 0;
    await until('the payload waits', END_MILLISECONDS, () => {
      const now = written();
      same = now === last ? same + 1 : 0;
      last = now;
      return same >= 25;
    });
    t.diagnostic(`it wrote ${Math.round(Number(last) / 1e6)} MB before it had to wait`);
    assert.ok(Number(last) < GROWTH_MOST_BYTES);
    assert.ok(bytesOf(stand.process(payload.role.replace('payload', 'relay')).pid, 'VmRSS') < 2 * GROWTH_MOST_BYTES + Number(last));
    running.signal('SIGKILL');
    await until('nothing of it', END_MILLISECONDS, () => livePayloads().every(({ pid }) => pid !== payload.pid));
  });
});
