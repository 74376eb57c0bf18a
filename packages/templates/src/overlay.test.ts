// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { templateContent } from '@bureau/protocol';
import fc from 'fast-check';
import * as v from 'valibot';
import { FIELD_NAMES, type Layer } from './fields.ts';
import { layerOf } from './library.ts';
import { overlay, withoutTombstones } from './overlay.ts';
import { someLayer } from './testing.ts';

function layer(fields: object): Layer {
  return layerOf(v.parse(templateContent, { v: 2, description: 'test', ...fields }));
}

/** With the order of keys, which a digest of the spec sees. */
function assertSame(one: Layer, other: Layer): void {
  assert.equal(JSON.stringify(FIELD_NAMES.map((name) => one[name])), JSON.stringify(FIELD_NAMES.map((name) => other[name])));
}

test('overlay is associative: which neighbours are put together first does not matter', () => {
  fc.assert(
    fc.property(someLayer, someLayer, someLayer, (a, b, c) => assertSame(overlay(overlay(a, b), c), overlay(a, overlay(b, c)))),
    { numRuns: 500 },
  );
});

test('overlay is idempotent, and nothing is the neutral layer', () => {
  fc.assert(
    fc.property(someLayer, (a) => {
      assertSame(overlay(a, a), a);
      assertSame(overlay({}, a), a);
      assertSame(overlay(a, {}), a);
    }),
  );
});

test('overlay: what was laid over once changes nothing when it is laid over again later', () => {
  fc.assert(fc.property(someLayer, someLayer, (a, b) => assertSame(overlay(overlay(a, b), b), overlay(a, b))));
});

test('overlay does not touch what it is given', () => {
  fc.assert(
    fc.property(someLayer, someLayer, (a, b) => {
      const before = JSON.stringify([a, b]);
      overlay(a, b);
      assert.equal(JSON.stringify([a, b]), before);
    }),
  );
});

test('overlay merges each kind of field by its rule', () => {
  const below = layer({
    command: ['below'],
    environment: { A: '1', B: '1' },
    prependVariables: { PATH: '/x:/y' },
    mounts: [
      { type: 'tmpfs', destination: '/one' },
      { type: 'bind', source: '/srv', destination: '/two', mode: 'rw' },
    ],
    createDirectories: ['/a', '/b'],
    resources: { pids: 100, memory: 2 ** 30 },
    payload: { task: 'one', deep: { a: 1 } },
  });
  const above = layer({
    command: ['above', 'x'],
    environment: { B: '2', A: null, C: '3' },
    prependVariables: { PATH: '/z:/x', LIBRARY: '/l' },
    mounts: [
      { type: 'tmpfs', destination: '/three' },
      { type: 'tmpfs', destination: '/two' },
    ],
    createDirectories: ['/b', '/c'],
    resources: { pids: 50 },
    payload: { deep: { b: 2 } },
  });
  const merged = withoutTombstones(overlay(below, above));
  assert.deepEqual(merged.command, ['above', 'x']);
  assert.deepEqual(merged.environment, { B: '2', C: '3' });
  assert.deepEqual(merged.prependVariables, { PATH: '/z:/x:/y', LIBRARY: '/l' });
  assert.deepEqual(
    merged.mounts?.map((mount) => [mount.type, mount.type === 'device' ? '' : mount.destination]),
    [
      ['tmpfs', '/one'],
      ['tmpfs', '/two'],
      ['tmpfs', '/three'],
    ],
  );
  assert.deepEqual(merged.createDirectories, ['/a', '/b', '/c']);
  assert.deepEqual(merged.resources, { pids: 50, memory: 2 ** 30 });
  assert.deepEqual(merged.payload, { task: 'one', deep: { b: 2 } });
});
