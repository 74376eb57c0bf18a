// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

const directory = mkdtempSync(join(tmpdir(), 'bureau-call-'));
const program = join(directory, 'bureau-proxy-call');
const compile = join(dirname(dirname(import.meta.dirname)), 'compile.sh');
// With the checks of the compiler for memory and undefined behaviour: each one ends the program with a report.
const compiled = spawnSync('/bin/sh', [compile, program, '--sanitize'], {
  encoding: 'utf8',
  env: { ...process.env, PROGRAM: 'proxy-call' },
});
assert.equal(compiled.status, 0, compiled.stderr);
after(() => rmSync(directory, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly error: string;
  readonly seen: string;
}

/** Runs the program against a server that says `answer` when it has read `until`, and then closes. */
async function call(args: readonly string[], answer: string, options: { until?: string; input?: string } = {}): Promise<Ended> {
  const path = join(mkdtempSync(join(directory, 'run-')), 'proxy.sock');
  let seen = '';
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket
      .on('error', () => undefined)
      .on('data', (piece) => {
        seen += piece.toString('latin1');
        if (seen.includes(options.until ?? '\r\n\r\n')) socket.end(Buffer.from(answer, 'latin1'));
      });
  });
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  const child = spawn(program, ['-s', path, '-t', '5', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  let output = '';
  let error = '';
  child.stdout.setEncoding('latin1').on('data', (piece: string) => (output += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (error += piece));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return { code, output, error, seen };
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

test('bureau-proxy-call: a GET, its answer, its exit code', async () => {
  const { code, output, seen } = await call(['/v1/identity'], OK);
  assert.deepEqual([code, output], [0, 'ok']);
  assert.equal(seen, 'GET /v1/identity HTTP/1.1\r\nHost: bureau\r\nConnection: close\r\n\r\n');
  assert.equal((await call(['/x'], OK.replace('200 OK', '403 Forbidden'))).code, 1);
  assert.equal((await call(['HEAD', '/x'], 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')).code, 0);
  assert.equal((await call(['/x'], 'HTTP/1.1 204 No Content\r\n\r\n')).code, 0);
});

test('bureau-proxy-call: bodies as they are given, from a file, from stdin', async () => {
  const given = await call(['-d', '{"a":1}', '-H', 'X-A: b', '/x'], OK, { until: '{"a":1}' });
  assert.equal(
    given.seen,
    'POST /x HTTP/1.1\r\nHost: bureau\r\nConnection: close\r\nX-A: b\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}',
  );
  const file = join(directory, 'body');
  writeFileSync(file, 'x'.repeat(100_000));
  const long = await call(['-H', 'content-type: text/plain', '-d', `@${file}`, 'PUT', '/x'], OK, { until: '\r\n0\r\n\r\n' });
  assert.match(long.seen, /^PUT \/x [^]*Transfer-Encoding: chunked\r\n\r\n10000\r\nx{65536}\r\n86a0\r\nx{34464}\r\n0\r\n\r\n$/);
  const piped = await call(['-d', '-', '/x'], OK, { until: '\r\n0\r\n\r\n', input: 'hello' });
  assert.match(piped.seen, /5\r\nhello\r\n0\r\n\r\n$/);
});

test('bureau-proxy-call: answers in chunks, with interim ones before, until the end of the connection', async () => {
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, world...\r\n0\r\nX-T: 1\r\n\r\n';
  assert.deepEqual([(await call(['/x'], chunked)).output, (await call(['/x'], chunked)).code], ['hello, world...', 0]);
  assert.equal((await call(['/x'], `HTTP/1.1 102 Processing\r\n\r\n${OK}`)).output, 'ok');
  assert.equal((await call(['/x'], 'HTTP/1.1 200 OK\r\n\r\nto the end')).output, 'to the end');
  assert.equal((await call(['-i', '/x'], OK)).output, 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok');
});

const NO_ANSWERS: readonly string[] = [
  '',
  'SSH-2.0-x\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshort'.slice(0, -2),
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx',
  'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n',
  `HTTP/1.1 200 OK\r\n${'X'.repeat(70_000)}`,
  'HTTP/1.1 200 OK\r\nContent-Len',
];

for (const answer of NO_ANSWERS) {
  test(`bureau-proxy-call: ${JSON.stringify(answer.slice(0, 80))} is no whole answer`, async () => {
    const { code, error } = await call(['/x'], answer);
    assert.equal(code, 3, error);
    assert.match(error, /^bureau-proxy-call: [^\n]+\n$/);
  });
}

test('bureau-proxy-call: wrong arguments are refused before anything is sent', async () => {
  const wrong: readonly (readonly string[])[] = [
    [],
    ['a', 'b', 'c'],
    ['identity'],
    ['/a b'],
    ['/a\r\nX: y'],
    ['GET X', '/a'],
    ['-H', 'no colon', '/a'],
    ['-H', 'X: a\r\nY: b', '/a'],
    ['-H', 'Host: other', '/a'],
    ['-H', 'transfer-encoding: chunked', '/a'],
    ['-t', '0', '/a'],
    ['-d', '@/nonexistent', '/a'],
    ['-x', '/a'],
  ];
  for (const args of wrong) {
    const { code, seen } = await call(args, OK);
    assert.deepEqual([code, seen], [2, ''], args.join(' '));
  }
  const { status, stderr } = spawnSync(program, ['-s', join(directory, 'nobody'), '/x'], { encoding: 'utf8' });
  assert.deepEqual([status, stderr.includes('cannot reach the proxy')], [3, true]);
});
