// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { resourceReport } from './resource-report.ts';

const ALL = (['memory', 'pids', 'cpu', 'io'] as const).map((name) => ({ name, version: 2 as const, root: '/x' }));

test('resourceReport() names every resource whether or not it is held, and why not', () => {
  const none = resourceReport({ present: [], missing: ALL.map(({ name }) => ({ name, reason: `no ${name} here` })) }, '/nowhere');
  const all = resourceReport({ present: ALL, missing: [] }, '/nowhere');
  assert.deepEqual(none.map(({ resource }) => resource).sort(), all.map(({ resource }) => resource).sort());
  const open = (found: typeof all): string[] => found.filter(({ enforced }) => !enforced).map(({ resource }) => resource);
  assert.ok(open(none).includes('memory and swap'));
  assert.match(none.find(({ resource }) => resource === 'memory and swap')?.how ?? '', /no memory here/);
  assert.deepEqual(open(all), ['share of the disk', 'bytes in /workspace', 'pseudo-terminals']);
});

test('resourceReport() believes in weights of the disk only with a scheduler that knows them', () => {
  const devices = mkdtempSync('/tmp/block-');
  mkdirSync(`${devices}/vda/queue`, { recursive: true });
  const io = (): boolean | undefined =>
    resourceReport({ present: ALL, missing: [] }, devices).find(({ resource }) => resource === 'share of the disk')?.enforced;
  writeFileSync(`${devices}/vda/queue/scheduler`, 'none [mq-deadline] bfq');
  assert.equal(io(), false);
  writeFileSync(`${devices}/vda/queue/scheduler`, 'none mq-deadline [bfq]');
  assert.equal(io(), true);
  rmSync(devices, { recursive: true });
});
