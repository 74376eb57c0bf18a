// SPDX-License-Identifier: Apache-2.0
// Test 28: two readers of the same bytes must never see different requests. What a careless proxy passes on, as the control shows.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { PassThrough, exchange, leave, statuses } from './raw-client.testing.ts';
import { RealProxy } from '@bureau/testkit/proxy';
import { Recorder } from './recorder.testing.ts';

const CRLF = '\r\n';
const PATH = '/v1/http/api/x';
const BODY = 'twelve bytes';
const CHUNKED = `c${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}`;
/** What an attacker hopes is taken for a request of its own. */
const SMUGGLED = `GET /v1/http/api/smuggled HTTP/1.1${CRLF}Host: bureau${CRLF}${CRLF}`;
const LAST = SMUGGLED.replace('Host: bureau', `Host: bureau${CRLF}Connection: close`);

function head(...lines: string[]): string {
  return [`POST ${PATH} HTTP/1.1`, 'Host: bureau', ...lines, '', ''].join(CRLF);
}

/** Everything here is 400 and the end of the connection, and no whole request reaches the upstream. */
const REFUSED: Readonly<Record<string, string>> = {
  'Content-Length and Transfer-Encoding': head('Content-Length: 12', 'Transfer-Encoding: chunked') + CHUNKED + SMUGGLED,
  'Transfer-Encoding and Content-Length': head('Transfer-Encoding: chunked', 'Content-Length: 4') + CHUNKED + SMUGGLED,
  'two Content-Lengths that differ': head('Content-Length: 12', 'Content-Length: 0') + BODY + SMUGGLED,
  'two Content-Lengths that agree': head('Content-Length: 12', 'Content-Length: 12') + BODY + SMUGGLED,
  'a list of Content-Lengths': head('Content-Length: 12, 12') + BODY + SMUGGLED,
  'a negative Content-Length': head('Content-Length: -1') + BODY + SMUGGLED,
  'a Content-Length with a plus': head('Content-Length: +12') + BODY + SMUGGLED,
  'a hexadecimal Content-Length': head('Content-Length: 0xc') + BODY + SMUGGLED,
  'a Content-Length of 2^64 and 12': head('Content-Length: 18446744073709551628') + BODY + SMUGGLED,
  'an empty Content-Length': head('Content-Length:') + SMUGGLED,
  'Transfer-Encoding: chunked, identity': head('Transfer-Encoding: chunked, identity') + CHUNKED + SMUGGLED,
  'Transfer-Encoding: identity': head('Transfer-Encoding: identity') + CHUNKED + SMUGGLED,
  'Transfer-Encoding: xchunked': head('Transfer-Encoding: xchunked') + CHUNKED + SMUGGLED,
  'Transfer-Encoding: gzip, chunked': head('Transfer-Encoding: gzip, chunked') + CHUNKED + SMUGGLED,
  'Transfer-Encoding twice': head('Transfer-Encoding: chunked', 'Transfer-Encoding: identity') + CHUNKED + SMUGGLED,
  'Transfer-Encoding: chunked twice': head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') + CHUNKED + SMUGGLED,
  'a space before the colon': head('Transfer-Encoding : chunked') + CHUNKED + SMUGGLED,
  'a vertical tab before chunked': head('Transfer-Encoding: \x0bchunked') + CHUNKED + SMUGGLED,
  'a folded Transfer-Encoding': head('Transfer-Encoding:', ' chunked') + CHUNKED + SMUGGLED,
  'a folded line that hides a length': head('X-A: 1', '\tContent-Length: 0', 'Content-Length: 12') + BODY + SMUGGLED,
  'a first header that begins with a space': `POST ${PATH} HTTP/1.1${CRLF} Host: bureau${CRLF}Content-Length: 12${CRLF}${CRLF}${BODY}${SMUGGLED}`,
  'bare LF everywhere': head('Content-Length: 12').replaceAll(CRLF, '\n') + BODY + SMUGGLED,
  'bare LF in one line': `POST ${PATH} HTTP/1.1${CRLF}Host: bureau\nContent-Length: 12${CRLF}${CRLF}${BODY}${SMUGGLED}`,
  'bare CR in a value': head('X-A: a\rTransfer-Encoding: chunked', 'Content-Length: 12') + BODY + SMUGGLED,
  'NUL in a value': head('X-A: a\0b', 'Content-Length: 12') + BODY + SMUGGLED,
  'NUL in a name': head('X\0A: b', 'Content-Length: 12') + BODY + SMUGGLED,
  'NUL in the target': `POST ${PATH}\0 HTTP/1.1${CRLF}Host: bureau${CRLF}Content-Length: 0${CRLF}${CRLF}${SMUGGLED}`,
  'a target that is not ASCII': `GET ${PATH}\xe9 HTTP/1.1${CRLF}Host: bureau${CRLF}${CRLF}${SMUGGLED}`,
  'a space in the target': `GET ${PATH} x HTTP/1.1${CRLF}Host: bureau${CRLF}${CRLF}${SMUGGLED}`,
  'a tab in the target': `GET ${PATH}\tx HTTP/1.1${CRLF}Host: bureau${CRLF}${CRLF}${SMUGGLED}`,
  'a chunk size that is too large': `${head('Transfer-Encoding: chunked')}fffffffffffffffff${CRLF}${BODY}${SMUGGLED}`,
  'a chunk size of 2^64': `${head('Transfer-Encoding: chunked')}1000000000000000c${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}${SMUGGLED}`,
  'a chunk size that is no number': `${head('Transfer-Encoding: chunked')}g${CRLF}${BODY}${SMUGGLED}`,
  'a chunk size with 0x': `${head('Transfer-Encoding: chunked')}0xc${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}${SMUGGLED}`,
  'a negative chunk size': `${head('Transfer-Encoding: chunked')}-1${CRLF}${BODY}${SMUGGLED}`,
  'an empty chunk size': `${head('Transfer-Encoding: chunked')}${CRLF}${BODY}${SMUGGLED}`,
  'a chunk that is longer than it says': `${head('Transfer-Encoding: chunked')}2${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}${SMUGGLED}`,
  'chunks with bare LF': `${head('Transfer-Encoding: chunked')}c\n${BODY}\n0\n\n${SMUGGLED}`,
  'a chunk extension with bare LF': `${head('Transfer-Encoding: chunked')}c;x\n${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}${SMUGGLED}`,
  'a chunk extension that looks like a request': `${head('Transfer-Encoding: chunked')}c;GET=/smuggled HTTP/1.1${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}${SMUGGLED}`,
  'trailers that frame a message': `${head('Transfer-Encoding: chunked', 'Trailer: Content-Length')}c${CRLF}${BODY}${CRLF}0${CRLF}Content-Length: 4${CRLF}Transfer-Encoding: identity${CRLF}${CRLF}${SMUGGLED}`,
  'chunks in HTTP/1.0': head('Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0') + CHUNKED + SMUGGLED,
  'Transfer-Encoding: chunked in HTTP/1.0 with a length':
    head('Transfer-Encoding: chunked', 'Content-Length: 12').replace('HTTP/1.1', 'HTTP/1.0') + CHUNKED + SMUGGLED,
  'no Host': `GET ${PATH} HTTP/1.1${CRLF}${CRLF}${SMUGGLED}`,
  'two Hosts': `GET ${PATH} HTTP/1.1${CRLF}Host: a${CRLF}Host: b${CRLF}${CRLF}${SMUGGLED}`,
  'HTTP/1.2': `GET ${PATH} HTTP/1.2${CRLF}Host: a${CRLF}${CRLF}${SMUGGLED}`,
  'HTTP/0.9': `GET ${PATH}${CRLF}${CRLF}${SMUGGLED}`,
  'the preface of HTTP/2': `PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}${SMUGGLED}`,
  'a header without a name': head(': x', 'Content-Length: 12') + BODY + SMUGGLED,
  'a header without a colon': head('X', 'Content-Length: 12') + BODY + SMUGGLED,
};

/** Honest, or harmless once it has been read: exactly one request goes out, and the next one of the connection by itself. */
const ONE_EACH: Readonly<Record<string, string>> = {
  'a length': head('Content-Length: 12') + BODY,
  chunks: head('Transfer-Encoding: chunked') + CHUNKED,
  'chunk extensions': `${head('Transfer-Encoding: chunked')}c;name="value"${CRLF}${BODY}${CRLF}0${CRLF}${CRLF}`,
  'trailers that carry a key': `${head('Transfer-Encoding: chunked', 'Trailer: X-Api-Key')}c${CRLF}${BODY}${CRLF}0${CRLF}X-Api-Key: of the agent${CRLF}Authorization: of the agent${CRLF}${CRLF}`,
  'a GET with a body that is a request': `GET ${PATH} HTTP/1.1${CRLF}Host: bureau${CRLF}Content-Length: ${SMUGGLED.length}${CRLF}${CRLF}${SMUGGLED}`,
};

let proxy: RealProxy;
let upstream: Recorder;
let careless: PassThrough;
before(async () => {
  upstream = await Recorder.start();
  careless = await PassThrough.to(upstream.port);
  proxy = await RealProxy.start();
  await proxy.configure({ upstreams: { api: { url: upstream.url, inject: [{ secret: 'API_KEY', header: 'X-Api-Key' }] } } });
});
beforeEach(() => upstream.reset());
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await careless[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

for (const [name, bytes] of Object.entries(REFUSED)) {
  describe(name, () => {
    test(`attack: ${name} (test 28)`, async () => {
      const read = await exchange(proxy.agentPath, bytes);
      assert.deepEqual(statuses(read), [400], read);
      assert.match(read, /connection: close/i);
      assert.match(read, /application\/problem\+json/);
      assert.equal(upstream.requests, 0, upstream.bytes);
      assert.doesNotMatch(upstream.bytes, /smuggled/);
      assert.deepEqual(statuses(await exchange(proxy.agentPath, LAST)), [200], 'others are served on');
    });
    test(`control: ${name} arrives through a proxy that looks at nothing`, async () => {
      await leave(careless.port, bytes);
      assert.ok(upstream.bytes === bytes && upstream.bytes.includes('/smuggled'), upstream.bytes);
    });
  });
}

test('attack: a request behind one for WebSocket, whether the upstream agrees or not: it is nobody’s request (tests 28, 32)', async () => {
  const inject = [{ secret: 'API_KEY', header: 'X-Api-Key' }];
  await proxy.configure({ upstreams: { api: { url: upstream.url, inject, websocket: true }, plain: { url: upstream.url, inject } } });
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
  const ask = (service: string): string => [`GET /v1/http/${service}/x HTTP/1.1`, 'Host: bureau', ...upgrade, '', ''].join(CRLF) + SMUGGLED;
  assert.deepEqual(statuses(await exchange(proxy.agentPath, ask('plain'))), [426]);
  assert.equal(upstream.bytes, '');
  assert.deepEqual(statuses(await exchange(proxy.agentPath, ask('api'))), [200]);
  assert.equal(upstream.requests, 1);
  assert.doesNotMatch(upstream.bytes, /smuggled/);
});

for (const [name, bytes] of Object.entries(ONE_EACH)) {
  test(`attack: ${name}, then another request: the upstream counts one for each (test 28)`, async () => {
    assert.deepEqual(statuses(await exchange(proxy.agentPath, bytes + LAST)), [200, 200]);
    assert.equal(upstream.requests, 2);
    assert.doesNotMatch(upstream.bytes, /name="value"|c;GET|of the agent/);
    const first = upstream.bytes.indexOf(' /x HTTP/1.1\r\n');
    assert.ok(first > 0 && first < upstream.bytes.indexOf('GET /smuggled HTTP/1.1\r\n'), upstream.bytes);
  });
}
