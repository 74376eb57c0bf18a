// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnswerParser } from './answer-parser.ts';
import { UpstreamFailure } from './failure.ts';

interface Read {
  status: number;
  headers: readonly string[];
  body: string;
  trailers: readonly string[];
  ended: number;
  reusable: boolean;
}

/** Feeds the text in these pieces, then the end of the connection. */
function read(pieces: readonly string[], bodyless = false, closes = true): Read {
  const found: Read = { status: 0, headers: [], body: '', trailers: [], ended: 0, reusable: false };
  const parser = new AnswerParser(
    {
      onHead: (status, headers) => Object.assign(found, { status, headers }),
      onBody: (chunk) => (found.body += chunk.toString('latin1')),
      onEnd: (trailers) => Object.assign(found, { trailers, ended: found.ended + 1 }),
      onSwitch: () => undefined,
    },
    4_096,
  );
  parser.expect(bodyless);
  for (const piece of pieces) parser.feed(Buffer.from(piece, 'latin1'));
  found.reusable = parser.reusable;
  if (closes) parser.finish();
  return found;
}

test('AnswerParser reads each framing', () => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  const cases: [string, boolean, string, boolean][] = [
    [`${ok}Content-Length: 3\r\n\r\nabc`, false, 'abc', true],
    [`${ok}content-length: 3\r\nContent-Length: 3\r\n\r\nabc`, false, 'abc', true],
    [`${ok}Connection: close\r\nContent-Length: 0\r\n\r\n`, false, '', false],
    [`${ok}\r\nuntil it closes`, false, 'until it closes', false],
    [`HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx`, false, 'x', false],
    [`${ok}Content-Length: 3\r\n\r\n`, true, '', true],
    ['HTTP/1.1 204 No Content\r\n\r\n', false, '', true],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n', false, '', true],
    ['HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n', false, 'abc0123456789', true],
    [
      'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
      false,
      'x',
      true,
    ],
  ];
  for (const [text, bodyless, body, reusable] of cases) {
    const found = read([text], bodyless);
    assert.deepEqual([found.body, found.ended, found.reusable], [body, 1, reusable], text);
  }
  assert.deepEqual(read(['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nX-A: b\r\nX-C:  d \r\n\r\n']).trailers, [
    'X-A',
    'b',
    'X-C',
    'd',
  ]);
});

test('AnswerParser refuses what two parsers could read in two ways', () => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  const bodies = [
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 099 OK\r\n\r\n',
    ' HTTP/1.1 200 OK\r\n\r\n',
    `${ok}a : b\r\n\r\n`,
    `${ok} a: b\r\n\r\n`,
    `${ok}a: b\r\n c\r\n\r\n`,
    `${ok}a: b\nc: d\r\n\r\n`,
    `${ok}a: \0\r\n\r\n`,
    `${ok}: b\r\n\r\n`,
    `${ok}ab\r\n\r\n`,
    `${ok}content-length: 1\r\ncontent-length: 2\r\n\r\nab`,
    `${ok}content-length: 1, 1\r\n\r\na`,
    `${ok}content-length: +1\r\n\r\na`,
    `${ok}content-length: \r\n\r\na`,
    `${ok}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n`,
    `${ok}transfer-encoding: chunked, identity\r\n\r\n`,
    `${ok}transfer-encoding: gzip, chunked\r\n\r\n`,
    `${ok}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`,
    `HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${ok}transfer-encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n`,
    `${ok}transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n`,
    `${ok}transfer-encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n`,
    `${ok}transfer-encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n`,
    `${ok}transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`,
    `${ok}transfer-encoding: chunked\r\n\r\n${'f'.repeat(16)}\r\n`,
    `${ok}transfer-encoding: chunked\r\n\r\n1;${'x'.repeat(1_000)}\r\na`,
    `${ok}content-length: 1\r\n\r\nab`,
    `${ok}${'a: b\r\n'.repeat(1_000)}\r\n`,
  ];
  for (const text of bodies) assert.throws(() => read([text]), UpstreamFailure, JSON.stringify(text.slice(0, 90)));
  for (const text of ['', 'HTTP/1.1 200', `${ok}content-length: 2\r\n\r\na`, `${ok}transfer-encoding: chunked\r\n\r\n1\r\na\r\n`])
    assert.throws(() => read([text]), UpstreamFailure, 'cut short');
});

test('AnswerParser reads the same whatever the pieces in which the bytes come', () => {
  const text =
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n5\r\nhello\r\n1;e\r\n \r\n5\r\nworld\r\n0\r\nT: r\r\n\r\n';
  const whole = read([text]);
  assert.equal(whole.body, 'hello world');
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 40 }), (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((place, index) => text.slice(places[index], place));
      assert.deepEqual(read(pieces.filter((piece) => piece !== '')), whole);
    }),
  );
});

test('AnswerParser: any bytes at all end in events or in an UpstreamFailure', () => {
  const bytes = fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 200 }),
    fc.constantFrom('HTTP/1.1 200 OK\r\n', '\r\n', 'a: b\r\n', 'content-length: 3\r\n', '3\r\nabc\r\n'),
  );
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 10 }), (pieces) => {
      try {
        read(pieces);
      } catch (error) {
        assert.ok(error instanceof UpstreamFailure, String(error));
      }
    }),
  );
});
