// SPDX-License-Identifier: Apache-2.0
// Test 33, where answers become events of a room: whatever upstreams answer and however often, the proxy stays small, agents get every byte and wait
// for nothing, and what is too much is counted. The proxy is a process of its own.
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { until } from '@bureau/testkit';
import { KEY, RealProxy, TOKEN } from '@bureau/testkit/proxy';
import { exchange, oneRequest, statuses } from './raw-client.testing.ts';
import { assertGrowth } from './growth.testing.ts';
import { Recorder } from './recorder.testing.ts';

/** What it may grow by, as in memory.test.ts. */
const GROWTH_MIB = 80;
/** And while a gigabyte passes: pieces that are on their way or not yet collected, rules or none (60 to 85 were measured either way). Kept, it would be 1,024. */
const PASSING_MIB = 200;
const GIBIBYTE = 1_024 * 1_024 * 1_024;
const PIECE = Buffer.alloc(64 * 1_024, 'x');
const MATCHES = 10_000;
const AT_ONCE = 64;
/** Most that wait. */
const WAITING = 64;
/** One that the homeserver does not answer is given up (`upstreamAnswerMilliseconds` of a proxy), and the next one sent. */
const GIVEN_UP_MILLISECONDS = 30_000;
/** Liveness only. */
const WAIT_MILLISECONDS = 120_000;

let proxy: RealProxy;
let upstream: Recorder;
let homeserver: Recorder;
before(async () => {
  upstream = await Recorder.start();
  homeserver = await Recorder.start();
  proxy = await RealProxy.start();
  const content = { msgtype: 'm.notice', body: 'got ${response.id}', all: '${response.all}' };
  const rule = { path_pattern: '/told/**', room: '!room:test.local', event_type: 'm.room.message', event_content: content };
  const matrix = { url: homeserver.url, inject: [{ secret: 'MATRIX_TOKEN', header: 'Authorization', prefix: 'Bearer ' }] };
  const api = { url: upstream.url, inject: [{ secret: 'API_KEY', header: 'X-Api-Key' }], response_interceptors: [rule] };
  await proxy.configure({ upstreams: { matrix, api }, header: { limits: { requests_burst: 100_000 } } });
  for (let times = 0; times < 50; times += 1) await exchange(proxy.agentPath, oneRequest('GET', '/healthz'));
});
beforeEach(() => {
  upstream.reset();
  homeserver.reset();
  homeserver.answer = ({ socket }) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{"event_id":"$a"}');
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await homeserver[Symbol.asyncDispose]();
});

async function counts(): Promise<{ readonly sent: number; readonly failed: number; readonly dropped: number }> {
  const { eventsSent: sent, eventsFailed: failed, eventsDropped: dropped } = await (await proxy.admin()).call('stats', {});
  return { sent, failed, dropped };
}

/** Runs an attack; the proxy has not grown by more than the bound. */
async function bounded(name: string, attack: () => Promise<void>, most = GROWTH_MIB): Promise<void> {
  await assertGrowth(proxy, `interceptors, ${name}`, most, attack);
}

/** One call whose answer is read and counted, not kept. */
function take(path: string, agent: Agent): Promise<{ readonly status: number; readonly bytes: number }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: proxy.agentPath, path: `/v1/http/api${path}`, method: 'POST', headers: { host: 'b' }, agent });
    call.once('error', reject).once('response', (response) => {
      let bytes = 0;
      response.on('data', (piece: Buffer) => (bytes += piece.length));
      response.once('error', reject).once('end', () => resolve({ status: response.statusCode ?? 0, bytes }));
    });
    call.end();
  });
}

test('attack: an answer of a gigabyte: no byte is missing, nothing of it is kept (test 33)', async () => {
  const before = await counts();
  await bounded(
    'a gigabyte',
    async () => {
      upstream.answer = ({ socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${GIBIBYTE}\r\n\r\n`);
        let left = GIBIBYTE;
        const push = (): void => {
          while (left > 0) {
            left -= PIECE.length;
            if (!socket.write(PIECE)) return void socket.once('drain', push);
          }
        };
        push();
      };
      using agent = new DisposableAgent();
      assert.deepEqual(await take('/told/large', agent.agent), { status: 200, bytes: GIBIBYTE });
    },
    PASSING_MIB,
  );
  await until('it to be counted', WAIT_MILLISECONDS, async () => (await counts()).failed === before.failed + 1);
  assert.equal((await counts()).sent, before.sent);
});

test('attack: ten thousand answers that fit, each of the longest, while the homeserver says nothing (test 33)', async () => {
  const start = await counts();
  // Each is a whole event: 50 KB of what the template asks for.
  const body = JSON.stringify({ id: 1, all: 'y'.repeat(50_000), key: KEY });
  upstream.answer = ({ socket }) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  const held: { write(bytes: string): unknown }[] = [];
  homeserver.answer = ({ socket }) => void held.push(socket);
  const began = performance.now();
  await bounded('ten thousand matches', async () => {
    using agent = new DisposableAgent();
    for (let done = 0; done < MATCHES; done += AT_ONCE) {
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => take('/told/often', agent.agent)));
      for (const answer of answers) assert.deepEqual(answer, { status: 200, bytes: body.length });
    }
  });
  const made = Math.ceil(MATCHES / AT_ONCE) * AT_ONCE;
  const { dropped } = await counts();
  // The one that is being sent, and those before it: each time one more has room.
  const sent = 1 + Math.ceil((performance.now() - began) / GIVEN_UP_MILLISECONDS);
  assert.ok(dropped - start.dropped >= made - WAITING - sent && dropped - start.dropped < made, `${dropped} dropped`);
  assert.ok(homeserver.requests <= sent, `${homeserver.requests} were sent`);
  assert.ok(!homeserver.bytes.includes(KEY), 'no key of another');
  // Control: it goes on when the homeserver does, with what waited.
  homeserver.answer = ({ socket }) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{"event_id":"$a"}');
  for (const socket of held) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{"event_id":"$a"}');
  await until('what waited to be sent', WAIT_MILLISECONDS, async () => {
    const now = await counts();
    return now.sent - start.sent + (now.failed - start.failed) + (now.dropped - start.dropped) === made;
  });
  assert.ok((await counts()).sent - start.sent >= 60);
  assert.match(homeserver.bytes, /PUT \/_matrix\/client\/v3\/rooms\/!room%3Atest\.local\/send\/m\.room\.message\//);
});

test('attack: keys in an answer reach neither room nor log, in any spelling of JSON (test 24)', async () => {
  const start = await counts();
  const escaped = Array.from(KEY, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  const bodies = [
    `{"id":"${KEY}"}`,
    `{"id":"${TOKEN}"}`,
    `{"all":{"${KEY}":"${TOKEN}"}}`,
    `{"id":"${escaped}"}`,
    `{"all":["${escaped}"]}`,
    `{"all":{"${escaped}":1}}`,
  ];
  for (const body of bodies) {
    upstream.answer = ({ socket }) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    assert.deepEqual(statuses(await exchange(proxy.agentPath, oneRequest('POST', '/v1/http/api/told/key'))), [200]);
  }
  await until('all of them to be judged', WAIT_MILLISECONDS, async () => {
    const now = await counts();
    return now.sent + now.failed - start.sent - start.failed === bodies.length;
  });
  assert.deepEqual([(await counts()).sent - start.sent, (await counts()).failed - start.failed], [3, 3]);
  // Of the homeserver's own key, only the header has it.
  const contents = homeserver.bytes.split(/\r\n/).filter((line) => !line.toLowerCase().startsWith('authorization:'));
  for (const key of [KEY, TOKEN]) {
    assert.ok(!contents.join('').includes(key));
    assert.ok(!proxy.log.includes(key) && !proxy.accessLog.includes(key));
  }
  assert.match(homeserver.bytes, /got \*{33}/, 'it was there to be found');
});

/** Kept connections for one test. */
class DisposableAgent implements Disposable {
  readonly agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}
