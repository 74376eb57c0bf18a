// SPDX-License-Identifier: Apache-2.0
// Tests 32 and 34 to 36, and 40: what a hostile upstream, a change of protocol, a rotation, a race and a wrong peer get.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync, renameSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { runCommand, until } from '@bureau/testkit';
import { KEY, RealProxy } from '@bureau/testkit/proxy';
import { certificate } from './certificates.testing.ts';
import { codeOf, exchange, oneRequest, opening, statuses } from './raw-client.testing.ts';
import { Recorder } from './recorder.testing.ts';

const CRLF = '\r\n';
const NOBODY = 65_534;
const WAIT_MILLISECONDS = 20_000;
const INJECT = [{ secret: 'API_KEY', header: 'X-Api-Key' }];

let upstream: Recorder;
let proxy: RealProxy;
before(async () => {
  upstream = await Recorder.start();
  proxy = await RealProxy.start();
});
beforeEach(async () => {
  upstream.reset();
  await proxy.configure({ upstreams: { api: { url: upstream.url, inject: INJECT } } });
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const get = (lines: readonly string[] = [], path = '/v1/http/api/x'): Promise<string> =>
  exchange(proxy.agentPath, oneRequest('GET', path, lines));

describe('an upstream that lies (test 34)', () => {
  const LIES: Readonly<Record<string, string>> = {
    'no HTTP at all': 'SSH-2.0-OpenSSH\r\n\r\n',
    'two lengths': `HTTP/1.1 200 OK${CRLF}Content-Length: 2${CRLF}Content-Length: 3${CRLF}${CRLF}abc`,
    'a length and chunks': `HTTP/1.1 200 OK${CRLF}Content-Length: 2${CRLF}Transfer-Encoding: chunked${CRLF}${CRLF}0${CRLF}${CRLF}`,
    'a coding besides chunked': `HTTP/1.1 200 OK${CRLF}Transfer-Encoding: gzip, chunked${CRLF}${CRLF}0${CRLF}${CRLF}`,
    'a negative length': `HTTP/1.1 200 OK${CRLF}Content-Length: -2${CRLF}${CRLF}abc`,
    'a folded header': `HTTP/1.1 200 OK${CRLF}X-A: b${CRLF} c${CRLF}Content-Length: 0${CRLF}${CRLF}`,
    'NUL in a header': `HTTP/1.1 200 OK${CRLF}X-A: b\0c${CRLF}Content-Length: 0${CRLF}${CRLF}`,
    'bare CR in a header': `HTTP/1.1 200 OK${CRLF}X-A: b\rSet-Cookie: evil${CRLF}Content-Length: 0${CRLF}${CRLF}`,
    'a status that is none': `HTTP/1.1 2000 OK${CRLF}${CRLF}`,
    'a change of protocol that nobody asked for': `HTTP/1.1 101 Switching Protocols${CRLF}Upgrade: websocket${CRLF}Connection: Upgrade${CRLF}${CRLF}`,
    nothing: '',
  };
  for (const [name, bytes] of Object.entries(LIES)) {
    test(`attack: an upstream that answers ${name}`, async () => {
      upstream.answer = ({ socket }) => socket.end(Buffer.from(bytes, 'latin1'));
      const read = await get();
      assert.deepEqual(statuses(read), [502], read);
      assert.doesNotMatch(read, /evil/);
      upstream.reset();
      assert.deepEqual(statuses(await get()), [200], 'the next call is served');
    });
  }

  const SHORT: Readonly<Record<string, string>> = {
    'a body that is shorter than it says': `HTTP/1.1 200 OK${CRLF}Content-Length: 100${CRLF}${CRLF}abc`,
    'chunks that break': `HTTP/1.1 200 OK${CRLF}Transfer-Encoding: chunked${CRLF}${CRLF}3${CRLF}abc${CRLF}zz${CRLF}`,
    'chunks that end early': `HTTP/1.1 200 OK${CRLF}Transfer-Encoding: chunked${CRLF}${CRLF}3${CRLF}abc${CRLF}`,
  };
  for (const [name, bytes] of Object.entries(SHORT)) {
    test(`attack: ${name}: the client sees a broken answer, not a short one`, async () => {
      upstream.answer = ({ socket }) => socket.end(bytes);
      const read = await get();
      assert.ok(read === '' || read.includes('abc') || statuses(read)[0] === 502, read);
      assert.doesNotMatch(read, /\r\n0\r\n\r\n$/);
      assert.doesNotMatch(read, /content-length: 3\r\n/i);
    });
  }

  test('attack: bytes behind an answer are not the answer to the next request', async () => {
    upstream.answer = ({ socket }) =>
      socket.write(`HTTP/1.1 200 OK${CRLF}Content-Length: 2${CRLF}${CRLF}okHTTP/1.1 200 OK${CRLF}Content-Length: 4${CRLF}${CRLF}evil`);
    assert.match(await get(), /ok$/);
    upstream.reset();
    assert.doesNotMatch(await get(), /evil/);
  });

  const TLS: Readonly<Record<string, [name: string, options: { expired?: boolean }, trusted: boolean]>> = {
    'a certificate that nobody signed': ['127.0.0.1', {}, false],
    'a certificate for another name': ['other.test', {}, true],
    'a certificate that has ended': ['localhost', { expired: true }, true],
  };
  for (const [name, [subject, options, trusted]] of Object.entries(TLS)) {
    test(`attack: ${name}: no fallback, and no byte of a request`, async () => {
      const authority = certificate('authority.test');
      const identity = certificate(subject, trusted ? { ...options, authority } : options);
      await using server = await Recorder.start({ tls: { key: identity.key, cert: identity.cert } });
      const url = `https://localhost:${server.port}`;
      await proxy.configure({ upstreams: { api: { url, inject: INJECT, ca: authority.cert.toString('utf8') } } });
      const read = await get();
      assert.deepEqual(statuses(read), [502], read);
      assert.equal(server.bytes, '');
    });
  }

  test('control: with the right name, in time, from that authority, it is called', async () => {
    const authority = certificate('authority.test');
    const identity = certificate('localhost', { authority });
    await using server = await Recorder.start({ tls: { key: identity.key, cert: identity.cert } });
    const url = `https://localhost:${server.port}`;
    await proxy.configure({ upstreams: { api: { url, inject: INJECT, ca: authority.cert.toString('utf8') } } });
    assert.deepEqual(statuses(await get()), [200]);
    assert.ok(server.bytes.includes(KEY));
  });
});

describe('changes of protocol (test 32)', () => {
  const ASKED: Readonly<Record<string, [lines: readonly string[], status: number]>> = {
    WebSocket: [
      ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'],
      426,
    ],
    h2c: [['Upgrade: h2c', 'Connection: Upgrade, HTTP2-Settings', 'HTTP2-Settings: AAMAAABkAAQAAP__'], 426],
    'TLS within': [['Upgrade: TLS/1.0', 'Connection: Upgrade'], 426],
    'an expectation that is none': [['Expect: 200-maybe'], 417],
  };
  for (const [name, [lines, status]] of Object.entries(ASKED)) {
    test(`attack: ${name}, where the bundle does not allow it`, async () => {
      const bytes = [
        'GET /v1/http/api/x HTTP/1.1',
        'Host: bureau',
        ...lines,
        '',
        'GET /v1/http/api/smuggled HTTP/1.1',
        'Host: a',
        '',
        '',
      ].join(CRLF);
      const { head, socket } = await opening(proxy.agentPath, bytes);
      socket.destroy();
      assert.deepEqual(statuses(head), [status], head);
      assert.doesNotMatch(upstream.bytes, /smuggled/);
    });
  }

  test('attack: interim answers are not passed on', async () => {
    upstream.answer = ({ socket }) =>
      socket.write(`HTTP/1.1 103 Early Hints${CRLF}Link: </evil>${CRLF}${CRLF}HTTP/1.1 200 OK${CRLF}Content-Length: 2${CRLF}${CRLF}ok`);
    const read = await get();
    assert.deepEqual(statuses(read), [200]);
    assert.doesNotMatch(read, /evil/);
  });
});

describe('rotation (test 35)', () => {
  test('attack: under load, no call that begins after the acknowledgement has the old key', async () => {
    const first = { upstreams: { api: { url: upstream.url, inject: INJECT } } };
    const second = { ...first, secrets: { API_KEY: 'sk-the-second-key' } };
    for (let times = 0; times < 10; times += 1) {
      await proxy.configure(first);
      const heads: string[] = [];
      const seen = (path: string): string[] => heads.filter((each) => each.startsWith(`GET ${path} `));
      upstream.answer = ({ head, socket }) => {
        heads.push(head);
        socket.write(`HTTP/1.1 200 OK${CRLF}Content-Length: 2${CRLF}${CRLF}ok`);
      };
      // What is on its way when the key changes may come to the upstream at any time: each call says when it began.
      let path = '/before';
      let stop = false;
      const load = Array.from({ length: 8 }, async () => {
        while (!stop) await get([], `/v1/http/api${path}`);
      });
      try {
        await until('calls with the first key', WAIT_MILLISECONDS, () => seen('/before').some((head) => head.includes(KEY)));
        await proxy.configure(second);
        path = '/after';
        await until('calls after it', WAIT_MILLISECONDS, () => seen('/after').length >= load.length);
      } finally {
        stop = true;
        await Promise.all(load);
      }
      assert.deepEqual(
        seen('/after').filter((head) => head.includes(KEY) || !head.includes('sk-the-second-key')),
        [],
        `round ${times}`,
      );
    }
  });

  test('attack: a bundle that has ended serves no new call; one under way ends', async () => {
    const open: (() => void)[] = [];
    upstream.answer = ({ socket }) => open.push(() => socket.write(`HTTP/1.1 200 OK${CRLF}Content-Length: 4${CRLF}${CRLF}late`));
    const ends = Date.now() + 5_000;
    await proxy.configure({ upstreams: { api: { url: upstream.url, inject: INJECT } }, header: { expires_at: ends } });
    const running = get();
    await until('the call to be under way and the bundle to have ended', 20_000, () => open.length > 0 && Date.now() > ends);
    const refused = await get();
    assert.deepEqual([statuses(refused), codeOf(refused)], [[403], 'credentials_expired']);
    open[0]?.();
    assert.match(await running, /late$/);
    assert.equal(upstream.requests, 1);
  });

  test('attack: a token that is not renewed closes the way, with a reason', async () => {
    upstream.answer = ({ socket }) => socket.write(`HTTP/1.1 503 Later${CRLF}Content-Length: 0${CRLF}${CRLF}`);
    const auth = {
      kind: 'oauth2',
      grant: 'client_credentials',
      token_url: `${upstream.url}/token`,
      client_id: 'c',
      client_secret: 'API_KEY',
    };
    await proxy.configure({ upstreams: { api: { url: upstream.url, inject: [], auth } } });
    const read = await get();
    assert.deepEqual([statuses(read), codeOf(read)], [[502], 'oauth_refused']);
    assert.doesNotMatch(upstream.bytes, /GET \/x/);
  });
});

test('attack: 200 requests at once at the last units of a budget (test 36)', async () => {
  await proxy.configure({
    upstreams: { api: { url: upstream.url, inject: INJECT } },
    header: { limits: { requests_per_second: 1, requests_burst: 10 } },
  });
  const began = performance.now();
  const reads = await Promise.all(Array.from({ length: 200 }, () => get()));
  const most = 10 + Math.ceil((performance.now() - began) / 1_000);
  const served = reads.filter((read) => statuses(read)[0] === 200).length;
  assert.ok(served >= 1 && served <= most, `${served} served, at most ${most}`);
  assert.equal(upstream.requests, served);
  assert.equal(reads.filter((read) => codeOf(read) === 'too_many_requests').length, 200 - served);
});

test('control: with a wide budget all are served', async () => {
  // What the attack spent is filled up again at once.
  const limits = { requests_per_second: 100_000, requests_burst: 10_000 };
  await proxy.configure({ upstreams: { api: { url: upstream.url, inject: INJECT } }, header: { limits } });
  const reads = await Promise.all(Array.from({ length: 100 }, () => get()));
  assert.equal(reads.filter((read) => statuses(read)[0] === 200).length, 100);
});

describe('the socket (test 40)', () => {
  const curl = (socket: string): readonly string[] => [
    '--',
    '/usr/bin/curl',
    '-sS',
    '--unix-socket',
    socket,
    'http://bureau/v1/http/api/x',
  ];
  const as = (uid: number): readonly string[] => ['--reuid', String(uid), '--regid', String(uid), '--clear-groups'];

  test('attack: another uid, although the file lets it through', async () => {
    const { code, stdout } = await runCommand('/usr/bin/setpriv', [...as(NOBODY), ...curl(proxy.agentPath)]);
    assert.notEqual(code, 0);
    assert.equal(stdout + upstream.bytes, '');
    assert.match(proxy.log, /"uid":65534[^\n]*wrong uid/);
  });

  test('control: the uid that it is for is served', async () => {
    const { code, stdout } = await runCommand('/usr/bin/curl', curl(proxy.agentPath).slice(2));
    assert.deepEqual([code, stdout], [0, 'ok']);
  });

  test('attack: a symlink in the place of the socket takes no connection of the proxy, nor its listener', async () => {
    const directory = mkdtempSync(join(tmpdir(), `bureau-hostile-${randomUUID().slice(0, 8)}`));
    const aside = join(directory, 'aside.sock');
    const held = connect(proxy.agentPath);
    renameSync(proxy.agentPath, aside);
    symlinkSync('/nonexistent', proxy.agentPath);
    try {
      held.write(oneRequest('GET', '/healthz'));
      await new Promise((resolve) => held.once('data', resolve));
      assert.deepEqual(statuses(await exchange(aside, oneRequest('GET', '/healthz'))), [200]);
    } finally {
      held.destroy();
      rmSync(proxy.agentPath);
      renameSync(aside, proxy.agentPath);
      rmSync(directory, { recursive: true });
    }
  });
});
