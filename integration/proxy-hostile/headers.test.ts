// SPDX-License-Identifier: Apache-2.0
// Tests 24 to 27, 38 and 39: one key goes out, to the one host that it is for, and comes back in no head and no body.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { runCommand } from '@bureau/testkit';
import { PassThrough, codeOf, exchange, leave, oneRequest, statuses } from './raw-client.testing.ts';
import { KEY, RealProxy, TOKEN } from '@bureau/testkit/proxy';
import { Recorder, headersOf } from './recorder.testing.ts';

const CRLF = '\r\n';
const MINE = 'the-key-of-the-agent';
const SERVICES = ['header', 'bearer', 'query', 'cookie', 'basic'] as const;

let proxy: RealProxy;
let upstream: Recorder;
let other: Recorder;
let careless: PassThrough;
before(async () => {
  upstream = await Recorder.start();
  other = await Recorder.start();
  careless = await PassThrough.to(upstream.port);
  proxy = await RealProxy.start();
  await proxy.configure(bundle());
});
beforeEach(() => {
  upstream.reset();
  other.reset();
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  for (const one of [careless, upstream, other]) await one[Symbol.asyncDispose]();
});

function bundle(api: object = {}): { readonly upstreams: Record<string, unknown> } {
  const { url } = upstream;
  const inject = {
    header: { secret: 'API_KEY', header: 'X-Api-Key' },
    bearer: { secret: 'API_KEY', header: 'Authorization', prefix: 'Bearer ' },
    query: { secret: 'API_KEY', query: 'key' },
    cookie: { secret: 'API_KEY', cookie: 'session' },
    basic: { secret: 'API_KEY', basic: 'agent' },
  };
  const upstreams = Object.fromEntries(SERVICES.map((name) => [name, { url, inject: [inject[name]], placeholder: 'bearer', ...api }]));
  return { upstreams: { ...upstreams, bare: { url, inject: [] } } };
}

/** Names under which a client may send a key of its own, and every spelling that may slip through. */
const OWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  Authorization: [`Authorization: Bearer ${MINE}`],
  'aUTHORIZATION in odd case': [`aUTHORIZATION: Bearer ${MINE}`],
  'Authorization twice': [`Authorization: Bearer ${MINE}`, `Authorization: Basic ${MINE}`],
  'Proxy-Authorization': [`Proxy-Authorization: Basic ${MINE}`],
  'X-Api-Key in odd case, twice': [`x-API-key: ${MINE}`, `X-Api-KEY: ${MINE}`],
  Cookie: [`Cookie: session=${MINE}; other=${MINE}`],
  'Cookie twice': [`Cookie: a=${MINE}`, `cOOKIE: b=${MINE}`],
  'X-Goog-Api-Key, Api-Key, Private-Token, X-Auth-Token': [
    `X-Goog-Api-Key: ${MINE}`,
    `Api-Key: ${MINE}`,
    `Private-Token: ${MINE}`,
    `X-Auth-Token: ${MINE}`,
  ],
  'an own key that Connection names': [`Connection: authorization, x-api-key`, `Authorization: ${MINE}`, `X-Api-Key: ${MINE}`],
  'a header that Connection names (defect 4)': ['Connection: x-internal, keep-alive', `X-Internal: ${MINE}`, `Keep-Alive: ${MINE}`],
  'a key with "_" for "-", which CGI and WSGI take for the same': [
    `X_Api_Key: ${MINE}`,
    `x_api-KEY: ${MINE}`,
    `Proxy_Authorization: ${MINE}`,
  ],
  'what a proxy in front would say of where it came from': [
    `X-Forwarded-For: ${MINE}`,
    `X_Forwarded_For: ${MINE}`,
    `Forwarded: for=${MINE}`,
    `X-Real-IP: ${MINE}`,
    `X-Forwarded-Host: ${MINE}`,
    `X-Forwarded-User: ${MINE}`,
    `Via: 1.1 ${MINE}`,
  ],
  'hop-by-hop headers': [`TE: trailers, ${MINE}`, `Proxy-Connection: ${MINE}`, `Trailer: ${MINE}`, `Keep-Alive: ${MINE}`],
};

for (const [name, lines] of Object.entries(OWN_KEYS)) {
  describe(name, () => {
    test(`attack: ${name} (test 27)`, async () => {
      for (const service of SERVICES) {
        upstream.reset();
        assert.deepEqual(statuses(await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/${service}/x`, lines))), [200], service);
        assert.equal(upstream.requests, 1);
        assert.ok(!upstream.bytes.includes(MINE), upstream.bytes);
        const keys = upstream.bytes.split(KEY).length - 1 + upstream.bytes.split(Buffer.from(`agent:${KEY}`).toString('base64')).length - 1;
        assert.equal(keys, 1, upstream.bytes);
        const names = headersOf(upstream.bytes).map(([header]) => header);
        assert.equal(new Set(names).size, names.length, 'each header once');
        assert.ok(!names.includes('connection'), 'none by itself');
      }
    });
    test(`control: ${name} arrives through a proxy that looks at nothing`, async () => {
      await leave(careless.port, oneRequest('GET', '/x', lines));
      assert.ok(upstream.bytes.includes(MINE));
    });
  });
}

test('attack: headers that make another method or path of a request do not pass where the bundle has rules for these (test 29)', async () => {
  const lines = [
    'X-HTTP-Method-Override: DELETE',
    'x_http_method: PUT',
    'X-Original-URL: /admin',
    'X-Rewrite-URL: /admin',
    'X-Original-Method: PUT',
  ];
  await proxy.configure(bundle({ methods: ['POST'], paths: ['/x'] }));
  assert.deepEqual(
    statuses(await exchange(proxy.agentPath, oneRequest('POST', '/v1/http/header/x', [...lines, 'Content-Length: 0']))),
    [200],
  );
  assert.doesNotMatch(upstream.bytes, /DELETE|PUT|admin/);
  await proxy.configure(bundle());
});

test('control: without rules there is nothing to go round, and they pass', async () => {
  const lines = ['X-HTTP-Method-Override: GET', 'X-Original-URL: /admin'];
  await exchange(proxy.agentPath, oneRequest('POST', '/v1/http/header/x', [...lines, 'Content-Length: 0']));
  assert.match(upstream.bytes, /X-HTTP-Method-Override: GET\r\nX-Original-URL: \/admin/);
});

test('attack: a folded Authorization is refused (test 27)', async () => {
  const read = await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/header/x', ['Authorization: Bearer', ` ${MINE}`]));
  assert.deepEqual([statuses(read), upstream.bytes], [[400], '']);
});

test('attack: keys in trailers end at the proxy (test 27)', async () => {
  const body = `1${CRLF}x${CRLF}0${CRLF}Authorization: ${MINE}${CRLF}X-Api-Key: ${MINE}${CRLF}${CRLF}`;
  const lines = ['Transfer-Encoding: chunked', 'Trailer: Authorization, X-Api-Key'];
  assert.deepEqual(statuses(await exchange(proxy.agentPath, oneRequest('POST', '/v1/http/header/x', lines, body))), [200]);
  assert.ok(upstream.requests === 1 && !upstream.bytes.includes(MINE), upstream.bytes);
});

test('control: they arrive through a proxy that looks at nothing', async () => {
  const body = `1${CRLF}x${CRLF}0${CRLF}Authorization: ${MINE}${CRLF}${CRLF}`;
  await leave(careless.port, oneRequest('POST', '/x', ['Transfer-Encoding: chunked'], body));
  assert.ok(upstream.bytes.includes(MINE));
});

test('attack: an own value of the parameter that carries the key, however it is spelled (test 27)', async () => {
  for (const query of [`key=${MINE}`, `KEY=${MINE}`, `k%65y=${MINE}`, `key[]=${MINE}`, `a=1&key=${MINE}&b=2`, `+key=${MINE}`]) {
    upstream.reset();
    await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/query/x?${query}`));
    assert.ok(!upstream.bytes.includes(MINE), upstream.bytes);
  }
});

test('attack: percent-encoding is lost on the way (defect 2)', async () => {
  for (const target of ['/a%2Fb%3Ac', '/%E2%82%AC', '/a%20b?x=%2F%26&y=+', '/%41', '/a?b?c', '/a//b', '/a;p=1', "/!$&'()*,=:@~"]) {
    upstream.reset();
    assert.deepEqual(statuses(await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/header${target}`))), [200], target);
    assert.ok(upstream.bytes.startsWith(`GET ${target} HTTP/1.1\r\n`), upstream.bytes);
  }
});

for (const method of ['TRACE', 'TRACK', 'CONNECT']) {
  test(`attack: ${method} reflects nothing (test 25)`, async () => {
    for (const target of ['/v1/http/header/x', `${upstream.url}/x`]) {
      const read = await exchange(proxy.agentPath, oneRequest(method, target));
      assert.ok([400, 403, 405].includes(statuses(read)[0] ?? 0), read);
      assert.equal(upstream.bytes, '');
    }
  });
}

test('attack: a server that reflects the request shows the key in no header and no trailer (test 25)', async () => {
  for (const service of SERVICES) {
    upstream.answer = ({ head, socket }) => {
      const reflected = head.split(CRLF).map((line, index) => `X-Echo-${index}: ${line}`);
      const lines = ['HTTP/1.1 200 OK', ...reflected.filter((line) => !line.endsWith(': ')), `Location: https://x.invalid/?k=${KEY}`];
      socket.end([...lines, 'Transfer-Encoding: chunked', '', `0${CRLF}X-Echo: ${KEY}`, '', ''].join(CRLF));
    };
    const read = await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/${service}/x`));
    assert.deepEqual(statuses(read), [200]);
    assert.ok(read.includes('[redacted]'), read);
    for (const form of [KEY, Buffer.from(`agent:${KEY}`).toString('base64')]) assert.ok(!read.includes(form), read);
  }
});

/** Answers with the request's head as its body: in one piece, cut inside every line, in chunks of seven bytes. */
const ECHOES: Readonly<Record<string, (head: string) => readonly string[]>> = {
  'in one piece': (head) => [`HTTP/1.1 200 OK${CRLF}Content-Length: ${head.length}${CRLF}${CRLF}${head}`],
  'cut inside of it': (head) => [`HTTP/1.1 200 OK${CRLF}${CRLF}${head.slice(0, head.indexOf(KEY) + 9)}`, head.slice(head.indexOf(KEY) + 9)],
  'in small chunks': (head) => [
    `HTTP/1.1 200 OK${CRLF}Transfer-Encoding: chunked${CRLF}${CRLF}`,
    ...(head.match(/[^]{1,7}/g) ?? []).map((piece) => `${piece.length}${CRLF}${piece}${CRLF}`),
    `0${CRLF}${CRLF}`,
  ],
};

for (const [name, pieces] of Object.entries(ECHOES)) {
  test(`attack: a server that says the request back in its body, ${name} (test 25)`, async () => {
    upstream.answer = ({ head, socket }) => {
      const left = [...pieces(head)];
      // Each piece in a packet of its own.
      const next = (): unknown => (left.length === 0 ? socket.end() : socket.write(left.shift() as string, () => setImmediate(next)));
      next();
    };
    for (const service of SERVICES) {
      const read = await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/${service}/x`));
      assert.deepEqual(statuses(read), [200]);
      for (const form of [KEY, Buffer.from(`agent:${KEY}`).toString('base64')]) assert.ok(!read.includes(form), read);
      assert.ok((read.match(/\*/g) ?? []).length >= KEY.length - 11, read);
    }
  });
}

test('attack: an agent that has its guesses said back learns nothing of a key from what waits (test 25)', async () => {
  const pieces = async (guess: string): Promise<string> => {
    upstream.answer = ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK${CRLF}Transfer-Encoding: chunked${CRLF}${CRLF}${guess.length.toString(16)}${CRLF}${guess}${CRLF}`, () =>
        setImmediate(() => socket.write(`1${CRLF} ${CRLF}0${CRLF}${CRLF}`)),
      );
    };
    const read = await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/header/x'));
    // The sizes of the chunks, which say what came together.
    return read
      .slice(read.indexOf(`${CRLF}${CRLF}`))
      .replaceAll(guess, 'guess')
      .replaceAll(guess.slice(0, -1), 'most');
  };
  for (const length of [4, 8, 11, 12, 20, KEY.length - 1]) {
    assert.equal(await pieces(KEY.slice(0, length)), await pieces('A'.repeat(length)), `${length} letters`);
  }
});

test('attack: a server that compresses what it says back is refused (test 25)', async () => {
  upstream.answer = ({ head, socket }) => {
    const body = gzipSync(head);
    socket.write(`HTTP/1.1 200 OK${CRLF}Content-Encoding: gzip${CRLF}Content-Length: ${body.length}${CRLF}${CRLF}`);
    socket.write(body);
  };
  const read = await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/header/x', ['Accept-Encoding: gzip']));
  assert.deepEqual([statuses(read), codeOf(read)], [[502], 'upstream_encoded']);
  assert.doesNotMatch(upstream.bytes, /gzip/);
});

test('control: where the bundle leaves the search out, the body says the key', async () => {
  await proxy.configure(bundle({ redact_bodies: false }));
  upstream.answer = ({ head, socket }) => socket.end(`HTTP/1.1 200 OK${CRLF}${CRLF}${head}`);
  assert.ok((await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/header/x'))).includes(KEY));
  await proxy.configure(bundle());
});

test('control: where nothing is injected, a reflected header comes back as it is', async () => {
  upstream.answer = ({ socket }) => socket.end(`HTTP/1.1 200 OK${CRLF}X-Echo: ${KEY}${CRLF}Content-Length: 0${CRLF}${CRLF}`);
  assert.ok((await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/bare/x'))).includes(KEY));
});

for (const status of [301, 302, 303, 307, 308]) {
  test(`attack: a ${status} to another host is not followed, and takes no key along (test 26)`, async () => {
    upstream.answer = ({ socket }) =>
      socket.write(`HTTP/1.1 ${status} Elsewhere${CRLF}Location: ${other.url}/steal${CRLF}Content-Length: 0${CRLF}${CRLF}`);
    for (const service of SERVICES) {
      const read = await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/${service}/x`));
      assert.deepEqual(statuses(read), [status]);
      assert.ok(!read.includes(KEY));
    }
    assert.equal(other.connections, 0);
  });
}

test('control: a client that follows with its headers brings the key there', async () => {
  upstream.answer = ({ socket }) =>
    socket.write(`HTTP/1.1 307 Elsewhere${CRLF}Location: ${other.url}/steal${CRLF}Content-Length: 0${CRLF}${CRLF}`);
  await runCommand('/usr/bin/curl', ['-s', '-L', '-H', `X-Api-Key: ${KEY}`, `${upstream.url}/x`]);
  assert.ok(other.bytes.includes(KEY));
});

test('attack: a placeholder of another service or another principal is refused and recorded (test 38)', async () => {
  const services = await exchange(proxy.agentPath, oneRequest('GET', '/v1/services'));
  const tokens = [...services.matchAll(/BUREAUx[0-9a-f]+/g)].map(([token]) => token);
  assert.equal(tokens.length, SERVICES.length, services);
  const stranger = `BUREAUx${'0123456789abcdef'.repeat(3).slice(0, 41)}`;
  for (const line of [`Authorization: Bearer ${stranger}`, `X-Whatever: ${stranger}`]) {
    const read = await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/header/x', [line]));
    assert.deepEqual([statuses(read), codeOf(read)], [[403], 'placeholder_misused']);
  }
  const answers = await Promise.all(
    tokens.map((token) => exchange(proxy.agentPath, oneRequest('GET', '/v1/http/header/x', [`X-Api-Key: ${token}`]))),
  );
  assert.deepEqual(answers.map((read) => statuses(read)[0]).toSorted(), [200, 403, 403, 403, 403], 'only its own may be there');
  assert.match(proxy.log, /"what":"proxy\.placeholder"[^\n]*"result":"refused"/);
  const read = await exchange(proxy.agentPath, oneRequest('GET', `/v1/http/header/x?t=${stranger}`));
  assert.equal(codeOf(read), 'placeholder_misused', 'in the target too');
});

describe('keys and templates that would break a head (test 39)', () => {
  const SPOILED: Readonly<Record<string, [object, Record<string, string>]>> = {
    'a key with CRLF': [{}, { API_KEY: `${KEY}${CRLF}X-Evil: 1` }],
    'a key with LF': [{}, { API_KEY: `${KEY}\nX-Evil: 1` }],
    'a key with NUL': [{}, { API_KEY: `${KEY}\0` }],
    'a key with a space': [{}, { API_KEY: `${KEY} x` }],
    'a key beyond ASCII': [{}, { API_KEY: `${KEY}\xe9` }],
    'a prefix with CRLF': [{ inject: [{ secret: 'API_KEY', header: 'X-Api-Key', prefix: `a${CRLF}b: ` }] }, {}],
    'a header name with CRLF': [{ inject: [{ secret: 'API_KEY', header: `X${CRLF}Y` }] }, {}],
    'a header that frames': [{ inject: [{ secret: 'API_KEY', header: 'Transfer-Encoding' }] }, {}],
    'a header that routes': [{ inject: [{ secret: 'API_KEY', header: 'Host' }] }, {}],
    'a cookie name with a semicolon': [{ inject: [{ secret: 'API_KEY', cookie: 'a; b' }] }, {}],
    'a user name with a colon': [{ inject: [{ secret: 'API_KEY', basic: 'a:b' }] }, {}],
    'a parameter with an ampersand': [{ inject: [{ secret: 'API_KEY', query: 'a&b' }] }, {}],
    'a key to the open network': [{ url: 'http://example.org' }, {}],
    'a key in the URL': [{ url: `http://user:${KEY}@127.0.0.1` }, {}],
  };
  for (const [name, [api, secrets]] of Object.entries(SPOILED)) {
    test(`attack: ${name} is refused when it is handed over, and the bundle before stays in use`, async () => {
      await assert.rejects(proxy.configure({ ...bundle(api), secrets }), (error: Error) => !error.message.includes(KEY));
      assert.deepEqual(statuses(await exchange(proxy.agentPath, oneRequest('GET', '/v1/http/header/x'))), [200]);
      assert.ok(upstream.bytes.includes(KEY) && !upstream.bytes.includes('X-Evil'));
    });
  }
  test('control: the same bundle unspoiled is taken', async () => {
    await proxy.configure(bundle());
  });
});

test('no attack of this file left a key in the logs', async () => {
  const all = proxy.log + proxy.accessLog;
  for (const secret of [KEY, TOKEN, MINE]) assert.ok(!all.includes(secret));
});
