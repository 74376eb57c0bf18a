// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHealthCheck } from './health-check.ts';

test('parseHealthCheck() takes a whole one, fills in the rest, and says what is wrong with any other', () => {
  assert.deepEqual(parseHealthCheck('{"type": "http", "endpoint": "/workspace/health.sock", "path": "/health", "failureThreshold": 1}'), {
    type: 'http',
    endpoint: '/workspace/health.sock',
    path: '/health',
    intervalSeconds: 10,
    timeoutSeconds: 5,
    failureThreshold: 1,
    gracePeriodSeconds: 30,
  });
  for (const [text, message] of [
    ['x', /Expected a JSON object/],
    ['{"type": "exec", "endpoint": "/a"}', /type: /],
    ['{"type": "socket", "endpoint": "/a", "path": "/b"}', /"path" is for "type": "http" alone/],
    ['{"type": "socket", "endpoint": "a/b"}', /endpoint: expected an absolute path/],
    ['{"type": "socket", "endpoint": "/a/../../run/x"}', /endpoint: expected an absolute path/],
    ['{"type": "http", "endpoint": "/a", "path": "/b\\r\\nX: y"}', /path: expected a path such as/],
    ['{"type": "socket", "endpoint": "/a", "interval": 3}', /interval/],
    ['{"type": "socket", "endpoint": "/a", "timeoutSeconds": 0}', /timeoutSeconds/],
  ] as const)
    assert.throws(() => parseHealthCheck(text), { code: 'invalid_health_check', message });
});
