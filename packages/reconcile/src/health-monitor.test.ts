// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError, parsePrincipalName } from '@bureau/core';
import type { HealthFinding } from '@bureau/protocol';
import { HealthMonitor, type HealthSubject } from './health-monitor.ts';
import { HEALTH_FIRST_MILLISECONDS, HEALTH_PROBES_SIDE_BY_SIDE } from './limits.ts';
import { HandClock, silentLogger } from './testing/reconcile-fixture.ts';

const ILL: HealthFinding = { healthy: false, reason: 'no \u202edatabase' };
const WELL: HealthFinding = { healthy: true };
const CHECK = {
  type: 'socket',
  endpoint: '/workspace/health.sock',
  intervalSeconds: 10,
  timeoutSeconds: 5,
  failureThreshold: 3,
  gracePeriodSeconds: 30,
} as const;

class Bench {
  readonly clock = new HandClock();
  readonly asked: string[] = [];
  answer: () => HealthFinding | Promise<HealthFinding> = () => WELL;
  changes = 0;
  readonly monitor = new HealthMonitor({
    clock: this.clock,
    logger: silentLogger(),
    probe: async ({ id }, { milliseconds }) => {
      this.asked.push(`${id} ${milliseconds}`);
      return this.answer();
    },
    onChange: () => void (this.changes += 1),
  });

  subject(more: Partial<HealthSubject> & { readonly name?: string } = {}): HealthSubject {
    const { name = 'iree/pm', ...rest } = more;
    return { principal: parsePrincipalName(name), id: 'k-g0-0', startedAt: this.clock.now(), check: CHECK, ...rest };
  }

  async pass(milliseconds: number): Promise<void> {
    this.clock.advance(milliseconds);
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  }

  get state(): string | undefined {
    return this.monitor.all.get(parsePrincipalName('iree/pm'))?.state;
  }
}

test('HealthMonitor: healthy at the first good answer, unhealthy after the threshold, then asked no more', async () => {
  const bench = new Bench();
  bench.answer = () => ILL;
  bench.monitor.watch([bench.subject()]);
  assert.equal(bench.state, 'checking');
  await bench.pass(0);
  for (let second = 0; second < 29; second += 1) await bench.pass(HEALTH_FIRST_MILLISECONDS);
  assert.deepEqual([bench.state, bench.asked.length], ['checking', 30], 'failures in its grace period do not count');
  bench.answer = () => WELL;
  await bench.pass(HEALTH_FIRST_MILLISECONDS);
  assert.equal(bench.state, 'healthy');
  bench.answer = () => ILL;
  for (let probe = 1; probe <= 2; probe += 1) {
    await bench.pass(10_000);
    assert.equal(bench.state, 'healthy', `${probe} of 3`);
  }
  bench.answer = () => WELL;
  await bench.pass(10_000);
  bench.answer = () => ILL;
  for (let probe = 1; probe <= 2; probe += 1) await bench.pass(10_000);
  assert.equal(bench.state, 'healthy', 'in a row, and one was good');
  const { changes } = bench;
  await bench.pass(10_000);
  const health = bench.monitor.all.get(parsePrincipalName('iree/pm'));
  assert.deepEqual([health?.state, health?.wasHealthy, bench.changes], ['unhealthy', true, changes + 1]);
  assert.equal(health?.message, 'it failed 3 health checks in a row: no ?database');
  const asked = bench.asked.length;
  await bench.pass(100_000);
  assert.equal(bench.asked.length, asked);
  assert.equal(bench.asked[0], 'k-g0-0 5000');
});

test('HealthMonitor: after its grace period one that has never answered is unhealthy', async () => {
  const bench = new Bench();
  bench.answer = () => ILL;
  bench.monitor.watch([bench.subject()]);
  await bench.pass(0);
  for (let second = 0; second < 32; second += 1) await bench.pass(1_000);
  assert.equal(bench.state, 'unhealthy');
  assert.equal(bench.monitor.all.get(parsePrincipalName('iree/pm'))?.wasHealthy, false);
});

test('HealthMonitor: an adopted one has had some of its grace, and a clock that was set back takes none of it', async () => {
  for (const [startedAgo, probes] of [
    [60_000, 3],
    [-60_000, 33],
  ] as const) {
    const bench = new Bench();
    bench.answer = () => ILL;
    bench.monitor.watch([bench.subject({ startedAt: bench.clock.now() - startedAgo })]);
    await bench.pass(0);
    for (let second = 0; second < 40; second += 1) await bench.pass(1_000);
    assert.deepEqual([bench.state, bench.asked.length], ['unhealthy', probes]);
  }
});

test('HealthMonitor: who could not be asked has not failed', async () => {
  const bench = new Bench();
  bench.answer = () => Promise.reject(new BureauError('connection_lost', 'gone'));
  bench.monitor.watch([bench.subject({ startedAt: 0 })]);
  await bench.pass(0);
  for (let second = 0; second < 60; second += 1) await bench.pass(1_000);
  assert.deepEqual([bench.state, bench.changes], ['checking', 0]);
  bench.answer = () => Promise.reject(new BureauError('unknown_method', 'a relay of before'));
  // Told once for each outage: the next answer begins another.
  const other = new Bench();
  other.answer = bench.answer;
  other.monitor.watch([other.subject({ startedAt: 0 })]);
  await other.pass(0);
  assert.match(other.monitor.all.get(parsePrincipalName('iree/pm'))?.message ?? '', /earlier Bureau; restart it/);
});

test('HealthMonitor: another sandbox or another check begins anew, and an answer about the former is dropped', async () => {
  const bench = new Bench();
  const { promise, resolve } = Promise.withResolvers<HealthFinding>();
  bench.answer = () => promise;
  bench.monitor.watch([bench.subject()]);
  await bench.pass(0);
  bench.monitor.watch([bench.subject({ id: 'k-g0-1' })]);
  resolve(WELL);
  await new Promise(setImmediate);
  assert.equal(bench.state, 'checking');
  bench.answer = () => WELL;
  await bench.pass(0);
  assert.equal(bench.state, 'healthy');
  bench.monitor.watch([bench.subject({ id: 'k-g0-1' })]);
  assert.equal(bench.state, 'healthy', 'the same goes on');
  bench.monitor.watch([bench.subject({ id: 'k-g0-1', check: { ...CHECK, endpoint: '/tmp/other.sock' } })]);
  assert.equal(bench.state, 'checking');
  bench.monitor.watch([]);
  assert.equal(bench.monitor.all.size, 0);
  const asked = bench.asked.length;
  await bench.pass(60_000);
  assert.deepEqual([bench.asked.length, bench.clock.pending], [asked, 0]);
});

test('HealthMonitor asks so many side by side, and everybody in the end', async () => {
  const bench = new Bench();
  const answers: ((finding: HealthFinding) => void)[] = [];
  bench.answer = () => new Promise((resolve) => answers.push(resolve));
  const names = Array.from({ length: 3 * HEALTH_PROBES_SIDE_BY_SIDE }, (_, at) => `iree/agent${at}`);
  bench.monitor.watch(names.map((name) => bench.subject({ name })));
  await bench.pass(0);
  assert.equal(answers.length, HEALTH_PROBES_SIDE_BY_SIDE);
  for (let at = 0; at < names.length; at += 1) {
    answers[at]?.(WELL);
    await bench.pass(0);
  }
  assert.ok([...bench.monitor.all.values()].every(({ state }) => state === 'healthy'));
  bench.monitor.close();
  assert.equal(bench.clock.pending, 0);
});
