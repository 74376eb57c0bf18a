// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { test, type TestContext } from 'node:test';
import { hasCode, type Clock } from '@bureau/core';
import { findFreePort, requireFreePort } from './port.ts';
import { waitForHomeserver } from './ready.ts';

/** Each pause passes at once and counts. */
function quickClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    monotonic: () => now,
    setTimer(milliseconds, callback) {
      const immediate = setImmediate(() => {
        now += milliseconds;
        callback();
      });
      return { clear: () => clearImmediate(immediate) };
    },
  };
}

async function listen(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

test('waitForHomeserver asks until the server answers as Matrix does', async (t) => {
  let asked = 0;
  const url = await listen(t, (request, response) => {
    assert.equal(request.url, '/_matrix/client/versions');
    asked++;
    if (asked < 3) response.writeHead(502).end('not yet');
    else response.end('{"versions":["v1.1"]}');
  });
  assert.equal(await waitForHomeserver({ url, clock: quickClock() }), 200);
  assert.equal(asked, 3);
});

test('waitForHomeserver does not take a stranger for ready, and says what it found', async (t) => {
  const url = await listen(t, (_request, response) => void response.end('<html>'));
  await assert.rejects(
    waitForHomeserver({ url, clock: quickClock(), deadlineMilliseconds: 1_000 }),
    (error) => hasCode(error, 'homeserver_not_ready') && error.message.includes('it answered 200'),
  );
});

test('waitForHomeserver gives up at the deadline with nobody there, and at once when its process has ended', async () => {
  const url = `http://127.0.0.1:${await findFreePort()}`;
  await assert.rejects(
    waitForHomeserver({ url, clock: quickClock(), deadlineMilliseconds: 500 }),
    (error) => hasCode(error, 'homeserver_not_ready') && error.message.includes('ECONNREFUSED'),
  );
  const reason = new Error('ended with 1');
  await assert.rejects(waitForHomeserver({ url, clock: quickClock(), signal: AbortSignal.abort(reason) }), (error) => error === reason);
});

test('requireFreePort takes a free port and leaves it free', async () => {
  const port = await findFreePort();
  await requireFreePort(port);
  await requireFreePort(port);
});
