// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { accessFields } from '../access-log.ts';
import { AccessLines } from './access-line.ts';

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('"', '\\', '\n', '\u007f', '\u2028', '\ud800', 'é'));
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> => fc.option(value, { nil: undefined });
const records = fc.record({
  service: text,
  method: text,
  path: text,
  status: fc.integer({ min: 0, max: 999 }),
  code: maybe(text),
  cause: maybe(text),
  rule: maybe(text),
  target: maybe(text),
  address: maybe(text),
  milliseconds: fc.double({ min: 0, max: 1e9, noNaN: true }),
  bytesIn: maybe(fc.maxSafeNat()),
  bytes: fc.maxSafeNat(),
  traceId: text,
  operator: maybe(fc.boolean()),
});
const plain = records.map((record) => ({
  ...record,
  code: undefined,
  cause: undefined,
  rule: undefined,
  target: undefined,
  address: undefined,
}));
const instants = fc.integer({ min: 0, max: 4_102_444_800_000 });

test('AccessLines.line is what JSON.stringify makes of the same fields, whatever is in them', () => {
  const lines = new AccessLines();
  fc.assert(
    fc.property(instants, maybe(text), fc.oneof(records, plain), (now, principal, record) => {
      const expected = `${JSON.stringify({ time: new Date(now).toISOString(), ...accessFields(principal, record) })}\n`;
      assert.equal(lines.line(now, principal, record), expected);
    }),
    { numRuns: 1_000 },
  );
});

test('AccessLines.timeOf follows the clock, also when it goes back', () => {
  const lines = new AccessLines();
  for (const now of [0, 999, 1_000, 1_700_000_000_123, 1_700_000_000_124.7, 1_600_000_000_000, 59_999])
    assert.equal(lines.timeOf(now), new Date(now).toISOString());
});
