// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyFixture } from './testing/proxy-fixture.ts';

const ROOM = '!room:test.local';

/** Sends a message that the homeserver holds until `release`. */
async function heldMessage(fixture: ProxyFixture): Promise<{ answer: ReturnType<ProxyFixture['send']>; release: () => void }> {
  return new Promise((resolve) => {
    const answer = fixture.send(ROOM, { body: 'x' });
    fixture.homeserver.script = () => new Promise((done) => resolve({ answer, release: () => done(false) }));
  });
}

test('stop: nothing new is accepted, what runs ends, its connection is closed', async () => {
  await using fixture = await ProxyFixture.start();
  const { answer, release } = await heldMessage(fixture);
  const stopped = fixture.proxy.stop();
  await assert.rejects(
    fixture.raw('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n').then((text) => assert.notEqual(text, '')),
    'a new connection finds nobody',
  );
  release();
  const { status, headers } = await answer;
  assert.deepEqual([status, headers.connection], [200, 'close']);
  await stopped;
});

test('stop: what does not end in time is cut, and idle connections do not hold it up', async () => {
  await using fixture = await ProxyFixture.start({ limits: { shutdownMilliseconds: 100 } });
  await fixture.request('GET', '/healthz');
  const { answer, release } = await heldMessage(fixture);
  const cut = assert.rejects(answer, { code: 'ECONNRESET' });
  await fixture.proxy.stop();
  await cut;
  release();
});
