// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { audit } from './audit.ts';
import { capture } from './capture.testing.ts';
import { newTraceId } from './trace-id.ts';

test('audit writes who did what to what, and how it ended', (context) => {
  const { logger, last } = capture(context);
  const traceId = newTraceId();
  audit(logger, { who: 'uid:0', what: 'bundle.open', target: 'iree/pm', result: 'refused', reason: 'bundle_expired', traceId });
  assert.deepEqual(last()['audit'], { who: 'uid:0', what: 'bundle.open', target: 'iree/pm', result: 'refused', reason: 'bundle_expired' });
  assert.equal(last()['trace_id'], traceId);
  assert.equal(last()['msg'], 'audit: bundle.open refused');
});

test('audit is written at every level but silent', (context) => {
  for (const [level, lines] of [
    ['trace', 1],
    ['fatal', 1],
    ['silent', 0],
  ] as const) {
    const { logger, text } = capture(context, level);
    audit(logger, { who: 'a', what: 'b', result: 'ok' });
    assert.equal(text().split('\n').length - 1, lines, level);
    assert.equal(logger.level, level);
  }
});

test('newTraceId gives 32 hexadecimal digits, another each time', () => {
  const ids = Array.from({ length: 100 }, newTraceId);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(new Set(ids).size, 100);
});
