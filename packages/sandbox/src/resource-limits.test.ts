// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sandboxResources } from '@bureau/protocol';
import fc from 'fast-check';
import * as v from 'valibot';
import { defaultPolicy, launcherPolicy } from './policy-file.ts';
import { effectiveLimits, processLimits, refusedResource, unenforceable } from './resource-limits.ts';

const GIB = 2 ** 30;
const MACHINE = { memory: 16 * GIB };
const policy = (limits: object): ReturnType<typeof defaultPolicy>['limits'] => v.parse(launcherPolicy, { v: 1, limits }).limits;

test('effectiveLimits() limits everything of a spec that asks for nothing', () => {
  assert.deepEqual(effectiveLimits(undefined, defaultPolicy().limits, MACHINE), {
    memory: 8 * GIB,
    pids: 1_024,
    cpuWeight: 100,
    cpuQuota: undefined,
    ioWeight: 100,
    openFiles: 8_192,
    fileSize: 16 * GIB,
  });
});

test('effectiveLimits() takes wishes as they are, and keeps defaults below policy', () => {
  const narrow = policy({ memory: GIB, pids: 100, cpuQuota: 50, openFiles: 64, fileSize: 4_096 });
  const limits = effectiveLimits({ pids: 20 }, narrow, MACHINE);
  assert.deepEqual([limits.memory, limits.pids, limits.cpuQuota, limits.openFiles, limits.fileSize], [GIB, 20, 50, 64, 4_096]);
  assert.deepEqual(processLimits(limits), { openFiles: 64, fileSize: 4_096, processes: 84 });
});

test('refusedResource() names the wish, the limit and where it stands', () => {
  assert.equal(refusedResource(undefined, policy({}), MACHINE), undefined);
  assert.equal(refusedResource({ memory: 12 * GIB }, policy({}), MACHINE), undefined);
  assert.match(refusedResource({ memory: 12 * GIB + 1 }, policy({}), MACHINE) ?? '', /resources\.memory.*limits\.memory/);
  for (const name of Object.keys(sandboxResources.entries)) {
    if (name === 'memory') continue;
    const limits = policy({ [name]: 5_000 });
    assert.match(refusedResource({ [name]: 5_001 }, limits, MACHINE) ?? '', new RegExp(`resources\\.${name} is 5001.*allows 5000`));
    assert.equal(refusedResource({ [name]: 5_000 }, limits, MACHINE), undefined);
  }
});

test('what refusedResource() lets pass, and every default, is within policy', () => {
  const wish = fc.record(
    {
      memory: fc.integer({ min: 16 * 2 ** 20, max: 2 ** 40 }),
      pids: fc.integer({ min: 8, max: 100_000 }),
      openFiles: fc.integer({ min: 32, max: 1_000_000 }),
    },
    { requiredKeys: [] },
  );
  const bound = fc.record(
    {
      memory: fc.integer({ min: 16 * 2 ** 20, max: 2 ** 40 }),
      pids: fc.integer({ min: 8, max: 100_000 }),
      openFiles: fc.integer({ min: 32, max: 1_000_000 }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(wish, bound, (asked, limits) => {
      const rules = policy(limits);
      if (refusedResource(asked, rules, MACHINE) !== undefined) return;
      const held = effectiveLimits(asked, rules, MACHINE);
      for (const name of ['memory', 'pids', 'openFiles'] as const) assert.ok(held[name] <= (rules[name] ?? Infinity), name);
    }),
  );
});

test('unenforceable() refuses a wish that this host cannot hold, and no default', () => {
  const none = { present: [], missing: (['memory', 'pids', 'cpu', 'io'] as const).map((name) => ({ name, reason: 'not there' })) };
  assert.equal(unenforceable(undefined, none), undefined);
  assert.equal(unenforceable({ cpuWeight: 50, ioWeight: 50, openFiles: 100 }, none), undefined);
  for (const asked of [{ memory: GIB }, { pids: 10 }, { cpuQuota: 50 }])
    assert.match(unenforceable(asked, none) ?? '', /cannot hold it to/);
  assert.equal(unenforceable({ memory: GIB, pids: 10, cpuQuota: 50 }, { ...none, missing: none.missing.slice(3) }), undefined);
});
