// SPDX-License-Identifier: Apache-2.0
// Test 29, hosts: what our proxy takes a host for is what the WHATWG URL parser and nginx take it for, or it is refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RealProxy } from '@bureau/testkit/proxy';
import { Nginx } from './nginx.testing.ts';
import { exchange } from './raw-client.testing.ts';

const CRLF = '\r\n';
const COUNT = 3_000;
/** What readers disagree on. */
const PIECES = [
  'a',
  'B',
  'good',
  'test',
  '.',
  '.',
  '..',
  '-',
  '_',
  '0',
  '1',
  '127',
  '255',
  '256',
  '0x7f',
  '0X1',
  '0177',
  '08',
  '2130706433',
  '4294967296',
  'xn--',
  'xn--bcher-kva',
  '%41',
  '%2e',
  '@',
  '[::1]',
  '[::ffff:1.2.3.4]',
  '[1:2::3%25lo]',
  '\\',
  '*',
  '~',
  '!',
  "'",
  ';',
  ',',
];

let proxy: RealProxy;
let nginx: Nginx;
before(async () => {
  nginx = await Nginx.start();
  proxy = await RealProxy.start();
  await proxy.configure({ header: { egress: [], limits: { requests_burst: 100_000 } } });
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await nginx[Symbol.asyncDispose]();
});

function* madeHosts(): Generator<string> {
  let state = 0x1b87_3593;
  const next = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  for (let made = 0; made < COUNT; made += 1) yield Array.from({ length: 1 + next(5) }, () => PIECES[next(PIECES.length)] ?? '').join('');
}

/** The host that the proxy understood, as its refusal names it; `undefined` when it understood none. */
async function understood(host: string): Promise<string | undefined> {
  const read = await exchange(proxy.agentPath, `GET http://${host}/ HTTP/1.1${CRLF}Host: ${host}${CRLF}Connection: close${CRLF}${CRLF}`);
  assert.match(read, /^HTTP\/1\.1 (400|403|421) /, `${host}: ${read}`);
  return /egress list names (\S+)\. An operator/.exec(read)?.[1];
}

function readByUrl(host: string): string | undefined {
  try {
    const url = new URL(`http://${host}/`);
    return url.username === '' && url.password === '' ? url.hostname.replace(/\.$/, '') : undefined;
  } catch {
    return undefined;
  }
}

test('attack: 3,000 made hosts: nobody reads another host in one that the proxy understood', async () => {
  const counts = { understood: 0, refusedByUs: 0, byNginx: 0 };
  for (const host of madeHosts()) {
    const ours = await understood(host);
    const theirs = readByUrl(host);
    if (ours === undefined) {
      if (theirs !== undefined) counts.refusedByUs += 1;
      continue;
    }
    counts.understood += 1;
    assert.equal(ours, theirs, `${host}: WHATWG URL`);
    // nginx knows no spellings of addresses: it compares letters.
    const nginxs = await nginx.readHost(host);
    if (/^[\d.]+$|^\[/.test(ours) || nginxs === undefined) continue;
    counts.byNginx += 1;
    assert.equal(nginxs.replace(/\.$/, ''), ours, `${host}: nginx`);
  }
  assert.ok(counts.understood > 200 && counts.byNginx > 100, JSON.stringify(counts));
});

test('control: the readers differ on many of them, so a careless comparison would have been led astray', async () => {
  let differ = 0;
  for (const host of madeHosts()) {
    const url = readByUrl(host);
    if (url !== undefined && url !== host && url !== (await nginx.readHost(host))) differ += 1;
  }
  assert.ok(differ > 50, `${differ}`);
});
