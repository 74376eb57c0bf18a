// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { responseInterceptor } from './response-interceptor.ts';

const RULE = {
  method: 'POST',
  path_pattern: '/repos/*/*/pulls',
  room: '!room:bureau.test',
  event_type: 'm.room.message',
  event_content: { msgtype: 'm.notice', body: '${agent} opened ${response.html_url} in ${path.1}/${path.2}' },
};
const accepts = (change: object): boolean => v.safeParse(responseInterceptor, { ...RULE, ...change }).success;

test('responseInterceptor: what is right, and what it says when nothing is said', () => {
  const { status_min: least, status_max: most } = v.parse(responseInterceptor, RULE);
  assert.deepEqual([least, most], [200, 299]);
  for (const change of [
    { room: '#iree/general:bureau.test' },
    { path_pattern: '/' },
    { path_pattern: '/**' },
    { path_pattern: '/a/*/' },
    { status_min: 400, status_max: 499 },
    { event_content: { a: { b: ['${response.x}', 1, null, true] }, 'm.mentions': { user_ids: ['@a:b'] } } },
    { event_content: { body: 'costs $5 {x} ${', formatted_body: '<b>plain</b>' } },
  ])
    assert.ok(accepts(change), JSON.stringify(change));
});

test('responseInterceptor: what is refused when the bundle is sealed and again when it is opened', () => {
  const refused: readonly object[] = [
    { extra: 1 },
    { room: 'general' },
    { room: '@user:b' },
    { method: 'post' },
    { status_min: 300 },
    { status_min: 100 },
    { status_max: 600 },
    ...['a', '', '/a*', '/**/a', '/../a', '/a/..', '/./', '/a?b', '/a#b', '/%61', '/a b', '//', '/a//b', '(a+)+$'].map((path_pattern) => ({
      path_pattern,
    })),
    ...['m.room.redaction', 'm.room message', '${agent}', '', 'a/b'].map((event_type) => ({ event_type })),
    { event_content: [] },
    { event_content: 'text' },
    { event_content: { a: 1.5 } },
    { event_content: { a: 2 ** 60 } },
    { event_content: { a: 'x'.repeat(9_000) } },
    ...['${token}', '${response}', '${response.a.b}', '${path.0}', '${path.x}', '${}', '${agent }', '${env.KEY}'].map((text) => ({
      event_content: { a: text },
    })),
    { event_content: { '${agent}': 1 } },
    { event_content: { a: { '${response.x}': 1 } } },
    ...['m.mentions', 'm.relates_to', 'm.new_content'].map((key) => ({ event_content: { [key]: { user_ids: ['${response.x}'] } } })),
    ...['msgtype', 'format', 'formatted_body'].map((key) => ({ event_content: { [key]: '${response.x}' } })),
  ];
  for (const change of refused) assert.ok(!accepts(change), JSON.stringify(change));
});
