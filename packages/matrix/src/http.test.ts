// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { hasCode, parseRoomAlias, parseRoomId } from '@bureau/core';
import { MatrixClient } from './client.ts';
import { parseHomeserverUrl } from './http.ts';
import { RESPONSE_MAX_BYTES } from './limits.ts';
import { realClock } from './test-server.ts';

const TOKEN = 'syt_very_secret';
const ROOM = parseRoomId('!room:bureau.test');

describe('MatrixClient against a server that misbehaves', () => {
  let server: Server;
  let requests: IncomingMessage[];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let url: string;

  beforeEach(async () => {
    requests = [];
    server = createServer((request, response) => {
      requests.push(request);
      answer(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  function client(deadlineMilliseconds = 5_000): MatrixClient {
    return new MatrixClient({ homeserverUrl: url, clock: realClock, token: TOKEN, deadlineMilliseconds });
  }
  function reply(status: number, body: unknown): typeof answer {
    return (_request, response) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
  }
  async function fault(work: Promise<unknown>): Promise<Error & { code: string }> {
    const error = await work.then(
      () => assert.fail('expected a refusal'),
      (reason: unknown) => reason as Error & { code: string },
    );
    assert.ok(!inspect(error, { depth: 10, showHidden: true }).includes(TOKEN), 'the token is in the error');
    return error;
  }

  test('the token is in the header only: not in inspect, JSON or errors that echo it', async () => {
    answer = reply(403, { errcode: 'M_FORBIDDEN', error: `no, ${TOKEN}\u001b[2J\nno` });
    const error = await fault(client().whoami());
    assert.equal(error.code, 'matrix_forbidden');
    assert.match(error.message, /no, \[secret\] \[2J no$/);
    assert.equal(requests[0]?.headers.authorization, `Bearer ${TOKEN}`);
    assert.ok(!inspect(client(), { depth: 10, showHidden: true }).includes(TOKEN));
    assert.ok(!JSON.stringify(client()).includes(TOKEN));
  });

  test('names are percent-encoded in their place', async () => {
    answer = reply(200, {});
    await client().state(ROOM, 'm.x/../../y', '%2e%2e');
    for (const key of ['.', '..']) assert.equal((await fault(client().state(ROOM, 't', key))).code, 'invalid_name');
    await client().state(ROOM, 'a?b#c', '@iree/agent:bureau.test');
    await client().state(ROOM, 't');
    answer = reply(404, { errcode: 'M_NOT_FOUND' });
    assert.equal(await client().resolveAlias(parseRoomAlias('#iree/amdgpu/general:bureau.test')), undefined);
    assert.deepEqual(
      requests.map((request) => request.url),
      [
        '/_matrix/client/v3/rooms/!room%3Abureau.test/state/m.x%2F..%2F..%2Fy/%252e%252e',
        '/_matrix/client/v3/rooms/!room%3Abureau.test/state/a%3Fb%23c/%40iree%2Fagent%3Abureau.test',
        '/_matrix/client/v3/rooms/!room%3Abureau.test/state/t/',
        '/_matrix/client/v3/directory/room/%23iree%2Famdgpu%2Fgeneral%3Abureau.test',
      ],
    );
  });

  test('429 is waited for as told, and repeated with the same transaction id', async () => {
    answer = (request, response) =>
      (requests.length === 1 ? reply(429, { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 30 }) : reply(200, { event_id: '$1' }))(
        request,
        response,
      );
    const started = performance.now();
    assert.equal(await client().send(ROOM, 'm.room.message', {}), '$1');
    assert.ok(performance.now() - started >= 29);
    assert.equal(requests.length, 2);
    assert.equal(requests[0]?.url, requests[1]?.url);
  });

  test('429 beyond the deadline is told at once', async () => {
    answer = reply(429, { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 60_000 });
    assert.equal((await fault(client().whoami())).code, 'matrix_limit_exceeded');
    assert.equal(requests.length, 1);
  });

  test('a server that says nothing, or half of it, runs into the deadline', async () => {
    answer = () => undefined;
    assert.equal((await fault(client(50).whoami())).code, 'matrix_deadline_exceeded');
    answer = (_request, response) => void response.writeHead(200).write('{"user_id":');
    assert.equal((await fault(client(50).whoami())).code, 'matrix_deadline_exceeded');
  });

  test("the caller's signal ends a request with its own reason, before and during it", async () => {
    const reason = new Error('called off');
    answer = () => controller.abort(reason);
    const controller = new AbortController();
    assert.equal(
      await client()
        .whoami({ signal: controller.signal })
        .catch((error: unknown) => error),
      reason,
    );
    assert.equal(
      await client()
        .whoami({ signal: controller.signal })
        .catch((error: unknown) => error),
      reason,
    );
    assert.equal(requests.length, 1);
  });

  test('an endless answer ends at the limit', async () => {
    let sent = 0;
    const chunk = Buffer.alloc(1024 * 1024, 0x20);
    answer = (_request, response) => {
      const pump = (): void => {
        while (!response.destroyed && sent < 4 * RESPONSE_MAX_BYTES) {
          sent += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', pump);
        }
      };
      response.writeHead(200);
      pump();
    };
    assert.equal((await fault(client(20_000).whoami())).code, 'matrix_response_too_large');
    assert.ok(sent < 2 * RESPONSE_MAX_BYTES, `${sent} bytes were sent`);
  });

  test('what is no Matrix answer is refused by name', async () => {
    const cases: [number, unknown, string][] = [
      [200, '<html>', 'matrix_response_malformed'],
      [200, { user_id: 7 }, 'matrix_response_malformed'],
      [200, [], 'matrix_response_malformed'],
      [502, '<html>', 'matrix_error'],
      [500, { errcode: 'M_\u001b[31mX' }, 'matrix_error'],
      [403, { errcode: 'M_UNKNOWN' }, 'matrix_forbidden'],
      [401, { errcode: 'M_UNKNOWN_TOKEN' }, 'matrix_unknown_token'],
    ];
    for (const [status, body, code] of cases) {
      answer = reply(status, body);
      assert.equal((await fault(client().whoami())).code, code, JSON.stringify(body));
    }
    answer = reply(200, { room_id: '!x\n../..' });
    assert.equal((await fault(client().join(ROOM))).code, 'matrix_response_malformed');
  });

  test('a redirect is not followed', async () => {
    answer = (_request, response) => void response.writeHead(302, { location: `${url}/elsewhere` }).end();
    assert.equal((await fault(client().whoami())).code, 'matrix_error');
    assert.equal(requests.length, 1);
  });

  test('a request beyond the limit is not sent', async () => {
    assert.equal((await fault(client().send(ROOM, 'm.room.message', { body: 'x'.repeat(300_000) }))).code, 'matrix_too_large');
    assert.equal(requests.length, 0);
  });

  test('nobody there: matrix_unreachable, naming the place', async () => {
    server.close();
    await once(server, 'close');
    const error = await fault(client().whoami());
    assert.equal(error.code, 'matrix_unreachable');
    assert.match(error.message, /ECONNREFUSED/);
  });

  test('registration stops with a server that never has enough', async () => {
    answer = reply(401, { session: 's', flows: [{ stages: ['m.login.registration_token'] }], completed: [] });
    const registration = { username: 'x', password: 'pass-word', registrationToken: 'reg-token', deviceId: 'd' };
    assert.equal((await fault(client().register(registration))).code, 'matrix_registration_token_refused');
    answer = reply(401, { session: 's', flows: [{ stages: ['m.login.registration_token', 'm.login.email.identity'] }] });
    assert.equal((await fault(client().register(registration))).code, 'matrix_registration_unsupported');
    assert.ok(requests.every((request) => request.headers.authorization === undefined));
  });
});

test('parseHomeserverUrl takes http and https without credentials, and quotes none', () => {
  assert.equal(parseHomeserverUrl('http://localhost:6167/'), 'http://localhost:6167');
  assert.equal(parseHomeserverUrl('https://example.org/matrix//'), 'https://example.org/matrix');
  for (const text of ['', 'localhost:6167', 'ftp://x', 'http://user:secret@x', 'http://x/?token=secret', 'file:///etc/passwd']) {
    assert.throws(
      () => parseHomeserverUrl(text),
      (error) => hasCode(error, 'invalid_url') && !error.message.includes('secret'),
      text,
    );
  }
});
