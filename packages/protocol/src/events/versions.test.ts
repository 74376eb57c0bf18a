// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@bureau/core';
import { readEvent, requireWritable } from './definition.ts';
import { EVENTS } from './registry.ts';
import { SAMPLES } from './samples.testing.ts';

test('each event type has a sample here', () => {
  assert.deepEqual(
    EVENTS.map(({ type }) => type).filter((type) => SAMPLES[type] === undefined),
    [],
  );
});

for (const definition of EVENTS) {
  const { type, version } = definition;
  const sample = { ...SAMPLES[type], v: version };

  test(`${type}: readers take their own version and leave out what was added to it`, () => {
    const plain = readEvent(definition, sample);
    assert.ok(plain.ok, plain.ok ? '' : plain.message);
    assert.deepEqual(readEvent(definition, { ...sample, addedLater: { deep: [1] } }), plain);
  });

  test(`${type}: readers do not guess at a newer version, and writers do not write over it`, () => {
    const newer = { ...sample, v: version + 1 };
    const reading = readEvent(definition, newer);
    assert.equal(reading.ok ? 'read' : reading.fault, 'newer');
    assert.throws(
      () => requireWritable(definition, newer),
      (error) => hasCode(error, 'event_newer'),
    );
    // The controls: its own version, nothing at all, and what nobody can read are written over.
    for (const stored of [sample, {}, undefined, { v: 'x' }]) requireWritable(definition, stored);
  });

  test(`${type}: a wrong content is refused with the field that is wrong`, () => {
    const reading = readEvent(definition, { ...sample, v: 'one' });
    assert.ok(!reading.ok && reading.fault === 'malformed');
    assert.match(reading.message, /^v: /);
  });
}
