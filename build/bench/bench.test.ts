// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { findAreas, loadArea } from './areas.ts';
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
  assert.deepEqual(await runMeasure(measure), { name: 'm', ours: 30, baseline: 20, ratio: 1.5, target: '<= 2x', ok: true });
  assert.deepEqual(order, ['baseline', 'ours', 'baseline', 'ours', 'ours', 'baseline', 'close']);
  order.length = 0;
  const broken = { ...measure, prepare: async () => ({ ...contest, ours: async () => Promise.reject(new Error('broken')) }) };
  await assert.rejects(runMeasure(broken), /broken/);
  assert.equal(order.at(-1), 'close');
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
