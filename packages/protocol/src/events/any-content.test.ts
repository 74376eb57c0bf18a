// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readEvent } from './definition.ts';
import { EVENTS } from './registry.ts';
import { SAMPLES } from './samples.testing.ts';

/** What a homeserver may bring: any JSON, and often one of ours with some of it changed, missing or added. */
function someContent(sample: Readonly<Record<string, unknown>>): fc.Arbitrary<unknown> {
  const names = fc.constantFrom(...Object.keys(sample), 'addedLater', '__proto__', 'constructor');
  const changed = fc
    .tuple(
      fc.dictionary(names, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 2, noNullPrototype: true }),
      fc.subarray(Object.keys(sample), { maxLength: 1 }),
    )
    .map(([more, without]) => {
      const kept = Object.entries(sample).filter(([name]) => !without.includes(name));
      return JSON.parse(JSON.stringify(Object.fromEntries([...kept, ...Object.entries(more)]))) as unknown;
    });
  return fc.oneof({ weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) }, { weight: 3, arbitrary: changed });
}

for (const definition of EVENTS)
  test(`${definition.type}: whatever a room holds is read, or refused in words; what was read reads the same again`, () => {
    const sample = { ...SAMPLES[definition.type], v: definition.version };
    let read = 0;
    fc.assert(
      fc.property(someContent(sample), (content) => {
        const reading = readEvent(definition, content);
        if (!reading.ok) {
          assert.ok(reading.message.length > 0);
          return;
        }
        read += 1;
        const once: unknown = JSON.parse(JSON.stringify(reading.content));
        assert.deepEqual(readEvent(definition, once), reading);
        assert.ok((reading.content as { readonly v: number }).v <= definition.version);
        assert.equal((reading.content as { readonly addedLater?: unknown }).addedLater, undefined);
      }),
      { numRuns: 400 },
    );
    assert.ok(read > 10, `the control: ${read} of them could be read`);
    assert.deepEqual(Object.keys(Object.prototype), []);
  });
