// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasDotSegment, outgoingHeaders, refusedBy } from './upstream-rules.ts';

test('outgoingHeaders drops credentials, hop headers and what Connection names, in any case, and lets nothing override an injection', () => {
  const given = {
    AUTHORIZATION: 'Bearer mine',
    Cookie: 'a=b',
    'X-Api-Key': 'k',
    'Proxy-Authorization': 'p',
    'x-goog-api-key': 'g',
    TE: 'trailers',
    Host: 'evil',
    Connection: 'Keep-Alive, X-Private',
    'x-private': '1',
    'Transfer-Encoding': 'chunked',
    Upgrade: 'h2c',
    'X-Token': 'mine',
    Accept: 'a/b',
  };
  assert.deepEqual(outgoingHeaders(given, { 'x-token': 'ours' }), { accept: 'a/b', 'x-token': 'ours' });
});

test('outgoingHeaders: whatever is given, each injected header goes out once with our value', () => {
  const name = fc.stringMatching(/^[A-Za-z-]{1,20}$/);
  fc.assert(
    fc.property(fc.dictionary(name, fc.string()), name, (given, header) => {
      const lower = header.toLowerCase();
      const out = outgoingHeaders({ ...given, [header]: 'theirs', connection: header }, { [lower]: 'ours' });
      assert.deepEqual(
        Object.entries(out).filter(([key]) => key.toLowerCase() === lower),
        [[lower, 'ours']],
      );
    }),
  );
});

test('hasDotSegment finds every spelling of a dot segment', () => {
  for (const path of [
    '/a/../b',
    '/..',
    '/.',
    '/a/./b',
    '/a/%2e%2E/b',
    '/a/.%2e',
    '/a%2f..%2fb',
    '/a%5C..%5cb',
    '/a\\..\\b',
    '/a/..;x=1/b',
  ]) {
    assert.equal(hasDotSegment(path), true, path);
  }
  for (const path of ['/a/b', '/a/..b', '/a/b..', '/a/...', '/a/%2eb', '/!room%3Atest.local/x'])
    assert.equal(hasDotSegment(path), false, path);
});

test('refusedBy checks method and path against the bytes that are sent', () => {
  const rule = { url: 'https://x', inject: [], methods: ['GET'], paths: ['/_matrix/client/v3/rooms/*/send/**'] };
  assert.equal(refusedBy(rule, 'GET', '/_matrix/client/v3/rooms/!a/send/m/1'), undefined);
  assert.equal(refusedBy(rule, 'PUT', '/_matrix/client/v3/rooms/!a/send/m/1'), 'methods');
  assert.equal(refusedBy(rule, 'GET', '/_matrix/client/v3/rooms/!a%2Fsend/x'), 'paths');
  assert.equal(refusedBy({ url: 'https://x', inject: [] }, 'GET', '/anything'), undefined);
});
