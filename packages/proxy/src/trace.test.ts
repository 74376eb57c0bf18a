// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traceOf } from './trace.ts';

test('traceOf: a valid traceparent is passed on as it is; any other starts a new trace of the same form', () => {
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  assert.deepEqual(traceOf(given), { id: '0af7651916cd43dd8448eb211c80319c', parent: given, given: true });
  const wrong = [
    undefined,
    '',
    given.toUpperCase(),
    `${given}-x`,
    given.replace(/^00/, '01'),
    given.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)),
    given.replace('b7ad6b7169203331', '0'.repeat(16)),
    `${given}\r\nx: y`,
  ];
  for (const text of wrong) {
    const { id, parent, given: isGiven } = traceOf(text);
    assert.equal(isGiven, false, text);
    assert.match(parent, new RegExp(`^00-${id}-[0-9a-f]{16}-00$`));
    assert.notEqual(traceOf(text).id, id);
  }
});
