// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, test } from 'node:test';
import { selfSigned } from '@bureau/testkit/self-signed';
import { readHttps } from './https-source.ts';
import { SOURCE_MAX_BYTES } from './limits.ts';

const TEXT = '{ "description": "x" }';
const SHA256 = createHash('sha256').update(TEXT).digest('hex');

const { key, cert } = selfSigned('localhost');
const ca = cert.toString('latin1');
let server: Server;
let base: string;

const answers: Readonly<Record<string, (answer: ServerResponse, request: IncomingMessage) => void>> = {
  '/good.json': (answer) => answer.end(TEXT),
  '/moved': (answer) => answer.writeHead(302, { location: '/good.json' }).end(),
  '/circle': (answer) => answer.writeHead(302, { location: '/circle' }).end(),
  '/down': (answer) => answer.writeHead(301, { location: 'http://127.0.0.1/good.json' }).end(),
  '/file': (answer) => answer.writeHead(301, { location: 'file:///etc/passwd' }).end(),
  '/large': (answer) => void answer.end('x'.repeat(SOURCE_MAX_BYTES + 1)),
  '/endless': (answer) => {
    const more = (): void => {
      while (!answer.destroyed && answer.write('x'.repeat(16_384)));
      if (!answer.destroyed) answer.once('drain', more);
    };
    more();
  },
  '/cut': (answer) => {
    answer.writeHead(200, { 'content-length': '1000' }).write('x', () => answer.destroy());
  },
};

before(async () => {
  server = createServer({ key, cert }, (request, answer) => {
    const say = answers[request.url ?? ''];
    if (say === undefined) answer.writeHead(404).end();
    else say(answer, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

function read(path: string, options: { readonly ca?: string } = { ca }): Promise<string> {
  return readHttps(`${base}${path}`, { signal: new AbortController().signal, ...options });
}

test('readHttps reads what is there, by its pin and over redirects within https', async () => {
  for (const path of ['/good.json', '/moved', `/good.json#sha256=${SHA256}`, `/moved#sha256=${SHA256}`])
    assert.equal(await read(path), TEXT, path);
});

test('readHttps believes only certificates of an authority that the system knows', async () => {
  await assert.rejects(read('/good.json', {}), { code: 'source_unreachable', message: /self-signed/ });
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  try {
    await assert.rejects(read('/good.json', {}), { code: 'source_unreachable' }, 'whatever the environment says');
  } finally {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  }
});

test('readHttps refuses other bytes than the pinned ones', async () => {
  await assert.rejects(read(`/good.json#sha256=${'0'.repeat(64)}`), { code: 'source_changed' });
});

test('readHttps has an end for everything', async () => {
  for (const [path, code] of [
    ['/circle', 'source_unreachable'],
    ['/down', 'source_refused'],
    ['/file', 'source_refused'],
    ['/large', 'source_too_large'],
    ['/endless', 'source_too_large'],
    ['/cut', 'source_unreachable'],
    ['/none', 'source_unreachable'],
  ] as const) {
    await assert.rejects(read(path), { code }, path);
  }
  await assert.rejects(readHttps(`${base}/good.json`, { signal: AbortSignal.abort(), ca }), { code: 'source_unreachable' });
});
