// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findAreas, loadArea } from './areas.ts';
import { Cleanups } from './cleanups.ts';
import { median, quantile, runMeasure } from './measure.ts';
import { formatTable } from './table.ts';

const root = join(import.meta.dirname, '../..');

test('median is the middle, or the mean of the two middle ones', () => {
  assert.equal(median([5]), 5);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([1, 2, 100, 3]), 2.5);
});

test('quantile is a value of the list that so many are not above', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual([quantile(hundred, 0.5), quantile(hundred, 0.99), quantile(hundred, 1), quantile([7], 0.5)], [50, 99, 100, 7]);
});

test('runMeasure alternates both sides, compares medians, and closes also when a round fails', async () => {
  const order: string[] = [];
  const contest = {
    ours: async () => (order.push('ours'), order.length === 2 ? 1e9 : 30),
    baseline: async () => (order.push('baseline'), 20),
    close: async () => void order.push('close'),
  };
  const measure = {
    name: 'm',
    target: '<= 2x',
    rounds: 2,
    prepare: async () => contest,
    holds: (ours: number, baseline: number) => ours <= 2 * baseline,
  };
  assert.deepEqual(await runMeasure(measure, new Cleanups()), { name: 'm', ours: 30, baseline: 20, ratio: 1.5, target: '<= 2x', ok: true });
  assert.deepEqual(order, ['baseline', 'ours', 'baseline', 'ours', 'ours', 'baseline', 'close']);
  order.length = 0;
  const broken = { ...measure, prepare: async () => ({ ...contest, ours: async () => Promise.reject(new Error('broken')) }) };
  await assert.rejects(runMeasure(broken, new Cleanups()), /broken/);
  assert.equal(order.at(-1), 'close');
});

test('runMeasure: who interrupts it has its contest closed, once', async () => {
  const cleanups = new Cleanups();
  let closed = 0;
  const { promise: never, resolve: finish } = Promise.withResolvers<number>();
  const contest = { ours: async () => never, baseline: async () => 1, close: async () => void (closed += 1) };
  const measuring = runMeasure({ name: 'm', target: '', rounds: 1, prepare: async () => contest, holds: () => true }, cleanups);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(closed, 0);
  assert.deepEqual(await cleanups.run(), []);
  assert.equal(closed, 1);
  finish(1);
  await measuring;
  assert.equal(closed, 1);
});

test('Cleanups does what is left, the newest first, whatever fails, and lets nothing begin afterwards', async () => {
  const done: string[] = [];
  const cleanups = new Cleanups();
  const first = cleanups.add(async () => void done.push('first'));
  cleanups.add(async () => void done.push('second'));
  cleanups.add(() => Promise.reject(new Error('third')));
  cleanups.add(async () => void done.push('fourth'));
  await Promise.all([first(), first()]);
  assert.match(String(await cleanups.run()), /third/);
  assert.deepEqual(done, ['first', 'fourth', 'second']);
  assert.throws(() => cleanups.add(async () => undefined), /over/);
});

test('findAreas finds the areas, and each exports measures with names of their own', async () => {
  const areas = findAreas(root);
  assert.ok(areas.has('ipc'));
  assert.ok((areas.get('daemon')?.length ?? 0) > 1, 'an area may have parts in several packages');
  const all = await Promise.all([...areas.values()].map(loadArea));
  const names = all.flatMap(({ measures, reports }) => [...measures, ...reports]).map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test('formatTable aligns its columns and shows what was missed', () => {
  const table = formatTable([{ name: 'a', ours: 12_345, baseline: 1, ratio: 12_345, target: '', ok: false }]);
  assert.equal(table, 'name    ours  baseline     ratio  target      ok\na     12,345         1  12345.00  (reported)  NO');
});

test('script/bench: an unknown area or option says what is there, and exits with 2', () => {
  const run = (...args: string[]) => spawnSync(join(root, 'script/bench'), args, { encoding: 'utf8', timeout: 20_000 });
  const unknown = run('icp');
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /no area "icp"; did you mean "ipc"\?/);
  assert.equal(run('--fast').status, 2);
  assert.match(run('--help').stdout, /Areas: .*ipc/);
});

/** One that has ended may still have its entry, until who took it over has looked. */
function lives(pid: string): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`script/bench that gets ${signal} ends what its measure has started, and says so by its exit code`, async (context) => {
    // In a group of its own, and alone in getting the signal: what it started must not end by that.
    const bench = spawn(join(root, 'script/bench'), ['ipc'], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    const pid = bench.pid ?? 0;
    context.after(() => bench.exitCode === null && bench.signalCode === null && process.kill(-pid, 'SIGKILL'));
    let said = '';
    bench.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    const deadline = performance.now() + 60_000;
    let started: string[] = [];
    // Server and client of ours, and a client of the baseline's or more: a measure is under way.
    while (started.length < 3) {
      assert.ok(performance.now() < deadline && bench.exitCode === null, `no measure is under way: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
      started = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
        .split(' ')
        .filter((child) => child !== '');
    }
    const closed = once(bench, 'close');
    bench.kill(signal);
    assert.deepEqual(await closed, [128 + constants.signals[signal], null], said);
    assert.match(said, new RegExp(`${signal}; taking down`));
    assert.deepEqual(started.filter(lives), []);
  });
}
