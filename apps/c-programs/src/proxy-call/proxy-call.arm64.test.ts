// SPDX-License-Identifier: Apache-2.0
// bureau-proxy-call for arm64, emulated, beside the one of this machine: the same request and the same answer, byte for byte.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { compileForBoth, elfOf, type BothPrograms } from '../arm64.testing.ts';

const directory = mkdtempSync(join(tmpdir(), 'bureau-call-arm64-'));
const body = join(directory, 'body');
let programs: BothPrograms;
before(() => {
  programs = compileForBoth(directory, 'proxy-call');
  writeFileSync(body, 'x'.repeat(100_000));
});
after(() => rmSync(directory, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly error: string;
  readonly seen: string;
}

/** Runs a program against a server that says `answer` when it has read `until`, and then closes. */
async function call(program: string, words: readonly string[], answer: string, until: string): Promise<Ended> {
  const path = join(mkdtempSync(join(directory, 'run-')), 'proxy.sock');
  let seen = '';
  const server = createServer((socket) => {
    socket
      .on('error', () => undefined)
      .on('data', (piece) => {
        seen += piece.toString('latin1');
        if (seen.includes(until)) socket.end(Buffer.from(answer, 'latin1'));
      });
  });
  server.listen(path);
  await once(server, 'listening');
  const child = spawn(program, ['-s', path, '-t', '5', ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  server.close();
  await once(server, 'close');
  return { code: code as number | null, output, error, seen };
}

async function alike(words: readonly string[], answer: string, until = '\r\n\r\n'): Promise<Ended> {
  const here = await call(programs.here, words, answer, until);
  assert.deepEqual(await call(programs.arm64, words, answer, until), here, words.join(' '));
  return here;
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const LAST_CHUNK = '\r\n0\r\n\r\n';

test('arm64: bureau-proxy-call asks and is answered as on this processor', async () => {
  assert.match(elfOf(programs.arm64Binary), /Machine:\s+AArch64/);
  const { code, output, seen } = await alike(['/v1/identity'], OK);
  assert.deepEqual([code, output, seen], [0, 'ok', 'GET /v1/identity HTTP/1.1\r\nHost: bureau\r\nConnection: close\r\n\r\n']);
  assert.equal((await alike(['/x'], OK.replace('200 OK', '403 Forbidden'))).code, 1);
  assert.match((await alike(['-d', `@${body}`, 'PUT', '/x'], OK, LAST_CHUNK)).seen, /10000\r\nx{65536}\r\n86a0\r\nx{34464}\r\n0\r\n\r\n$/);
  assert.match((await alike(['-H', 'X-A: b', '-d', '{"a":1}', '/x'], OK, '{"a":1}')).seen, /X-A: b\r\n.*Content-Length: 7\r\n/s);
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, world...\r\n0\r\nX-T: 1\r\n\r\n';
  assert.equal((await alike(['-i', '/x'], chunked)).output, 'HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\nhello, world...');
  // Bytes above 127: `char` has no sign there.
  assert.equal((await alike(['/x'], 'HTTP/1.1 200 OK\r\nX: \u00ff\r\n\r\n\u00e9 to the end')).code, 0);
});

test('arm64: bureau-proxy-call refuses what it refuses on this processor', async () => {
  for (const answer of ['', 'SSH-2.0-x\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: \u00b2\r\n\r\n', `${OK.slice(0, -1)}`])
    assert.equal((await alike(['/x'], answer)).code, 3, answer);
  for (const words of [
    ['\u00e9'],
    ['/\u00ff'],
    ['G\u00c9T', '/x'],
    ['-H', 'X\u00e9: y', '/x'],
    ['-H', 'X: a\nb', '/x'],
    ['-t', '0', '/x'],
    [],
  ])
    assert.equal((await alike(words, '')).code, 2, words.join(' '));
});
