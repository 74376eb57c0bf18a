// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError, UsageError, describeError, hasCode } from './errors.ts';

test('BureauError carries code, data and cause', () => {
  const cause = new Error('disk full');
  const error = new BureauError('file_write_failed', 'Cannot write', { cause, data: { path: '/x' } });
  assert.equal(error.code, 'file_write_failed');
  assert.equal(error.cause, cause);
  assert.deepEqual(error.data, { path: '/x' });
  assert.equal(error.name, 'BureauError');
});

test('BureauError without a cause has no cause at all', () => {
  assert.equal('cause' in new BureauError('a', 'b'), false);
});

test('UsageError is a BureauError of its own name', () => {
  const error = new UsageError('invalid_name', 'no');
  assert.ok(error instanceof BureauError);
  assert.equal(error.name, 'UsageError');
});

test('hasCode matches on the code alone', () => {
  assert.equal(hasCode(new BureauError('a', 'x'), 'a'), true);
  assert.equal(hasCode(Object.assign(new Error('x'), { code: 'a' }), 'a'), true);
  assert.equal(hasCode(new BureauError('a', 'x'), 'b'), false);
  assert.equal(hasCode({ code: 'a' }, 'a'), false);
  assert.equal(hasCode(undefined, 'a'), false);
});

test('describeError tells the chain of causes once each', () => {
  const error = new Error('outer', { cause: new Error('middle', { cause: new Error('outer', { cause: 'inner' }) }) });
  assert.equal(describeError(error), 'outer: middle: inner');
});

test('describeError ends on a ring of causes', () => {
  const error = new Error('ring');
  error.cause = error;
  assert.equal(describeError(error), 'ring');
});

test('describeError takes anything that was thrown', () => {
  assert.equal(describeError('text'), 'text');
  assert.equal(describeError(undefined), '');
  assert.equal(describeError(Object.create(null)), 'something that is not an error');
});
