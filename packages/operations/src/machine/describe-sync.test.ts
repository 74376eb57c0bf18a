// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSync } from './describe-sync.ts';

test('describeSync calls a sync live only while the homeserver answers', () => {
  const now = 1_700_000_100_000;
  assert.equal(describeSync({ sync: 'starting', lastSyncAt: null }, now), 'sync starting');
  assert.match(describeSync({ sync: 'live', lastSyncAt: now - 40_000 }, now), /^sync live, last answer 40\.0 s ago$/);
  assert.match(
    describeSync({ sync: 'live', lastSyncAt: now - 41_000 }, now),
    /^sync silent: the homeserver has sent nothing since 2023-11-14T22:14:19\.000Z, 41\.0 s ago/,
  );
  assert.match(describeSync({ sync: 'failing', lastSyncAt: now - 90_000 }, now), /^sync failing, last answer /);
});
