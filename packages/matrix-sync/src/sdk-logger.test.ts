// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '@bureau/log';
import { maskTokens, sdkLogger } from './sdk-logger.ts';

test('maskTokens() hides tokens wherever they stand', () => {
  assert.equal(maskTokens('GET /sync?access_token=abc.def&x=1'), 'GET /sync?access_token=[token]&x=1');
  assert.equal(maskTokens("{ authorization: 'Bearer zzz' }"), "{ authorization: 'Bearer [token]' }");
  assert.equal(maskTokens('token syt_aGVsbG8_abc_1x2 end'), 'token [token] end');
});

test('sdkLogger() masks tokens inside objects and errors', () => {
  const lines: string[] = [];
  const sink = { debug: (_facts: object, text: string) => lines.push(text) } as unknown as Logger;
  const logger = sdkLogger(sink);
  logger.error('failed', { headers: { Authorization: 'Bearer syt_secret_1' } }, new Error('Bearer other_secret'));
  assert.equal(lines.length, 1);
  assert.doesNotMatch(lines.join(), /secret/);
});
