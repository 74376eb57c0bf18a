// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_AUTHORIZATION } from '@bureau/protocol';
import { parseAuthorization } from './authorization.ts';

test('parseAuthorization adds grants to what every agent may do, and takes denials as they are', () => {
  assert.equal(parseAuthorization([], []), undefined);
  assert.deepEqual(parseAuthorization(['matrix/join', 'matrix/invite@@pm:server', 'matrix/*@iree/**'], ['matrix/send@#a/b:server']), {
    grants: [
      ...DEFAULT_AUTHORIZATION.grants,
      { actions: ['matrix/join'], targets: ['**'] },
      { actions: ['matrix/invite'], targets: ['@pm:server'] },
      { actions: ['matrix/*'], targets: ['iree/**'] },
    ],
    denials: [{ actions: ['matrix/send'], targets: ['#a/b:server'] }],
  });
});

test('parseAuthorization refuses what would fit nothing', () => {
  for (const text of ['', '@x', 'matrix/join@', 'matrix/jo*', 'matrix//join', 'a b', 'x@ab*']) {
    assert.throws(() => parseAuthorization([text], []), { code: 'invalid_grant' }, text);
    assert.throws(() => parseAuthorization([], [text]), { code: 'invalid_grant' }, text);
  }
});
