// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { quickClientMessage, quickServerMessage } from './wire-quick.ts';
import { clientMessage, serverMessage } from './wire.ts';

const odd = fc.oneof(
  fc.constantFrom(0, 1, -1, 1.5, Number.NaN, 2 ** 53, 1_000_001, 2 ** 31, '', 'x'.repeat(201), null, undefined),
  fc.integer(),
  fc.string(),
);
const good = fc.constantFrom<Record<string, unknown>>(
  { type: 'request', id: 1, method: 'add', input: { a: 1 }, deadline: 30_000 },
  { type: 'request', id: 2, method: 'watch', input: null, credit: 64 },
  { type: 'credit', id: 3, count: 32 },
  { type: 'cancel', id: 3 },
  { type: 'chunk', id: 4, chunk: [1] },
  { type: 'response', id: 5, output: null },
  { type: 'ping' },
);
const field = fc.constantFrom<string>('type', 'id', 'method', 'input', 'output', 'chunk', 'deadline', 'count', 'extra');
/** A good message with fields replaced, added and removed. */
const message = fc
  .tuple(good, fc.array(fc.tuple(field, odd), { maxLength: 2 }), fc.array(field, { maxLength: 1 }))
  .map(([base, changes, removed]) =>
    Object.fromEntries(Object.entries({ ...base, ...Object.fromEntries(changes) }).filter(([name]) => !removed.includes(name))),
  );

test('quickClientMessage and quickServerMessage accept nothing that the schemas refuse, and change nothing', () => {
  let accepted = 0;
  fc.assert(
    fc.property(message, (raw) => {
      for (const [quick, schema] of [
        [quickClientMessage, clientMessage],
        [quickServerMessage, serverMessage],
      ] as const) {
        const found = quick(raw);
        if (found === undefined) continue;
        accepted += 1;
        const judged = v.safeParse(schema, raw);
        assert.ok(judged.success, JSON.stringify(raw));
        assert.deepEqual(found, judged.output);
      }
    }),
    { numRuns: 20_000 },
  );
  for (const value of [null, undefined, 5, 'request', []]) assert.equal(quickClientMessage(value) ?? quickServerMessage(value), undefined);
  assert.ok(accepted > 100, `${accepted} were accepted`);
});

test('quickClientMessage and quickServerMessage recognise what they are made for', () => {
  for (const raw of [
    { type: 'request', id: 1, method: 'add', input: null, deadline: 5 },
    { type: 'credit', id: 1, count: 1 },
  ])
    assert.equal(quickClientMessage(raw), raw);
  for (const raw of [
    { type: 'chunk', id: 1, chunk: 5 },
    { type: 'response', id: 1, output: {} },
  ])
    assert.equal(quickServerMessage(raw), raw);
});
