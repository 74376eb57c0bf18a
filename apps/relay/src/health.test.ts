// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect as connectSocket, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';
import type { HealthFinding } from '@bureau/protocol';
import { RelayFixture } from './testing/relay-fixture.ts';

const ANSWER_MILLISECONDS = 10_000;
const SHORT_MILLISECONDS = 300;

/** A payload that listens on one socket for each way to answer; `said` is what it was sent. */
const AGENT = String.raw`
const { createServer } = require('node:net');
const fs = require('node:fs');
const answers = {
  well: () => '{"healthy":true}\n',
  ill: () => '{"healthy":false,"reason":"no \\u001b[31m\\u202edatabase\\u0007"}\n',
  wordless: () => '{"healthy":false}\n',
  strange: () => '{"healthy":"yes"}\n',
  list: () => '[true]\n',
  http: (said) => (said.startsWith('GET /ready?x=1 HTTP/1.1\r\nHost: localhost\r\n') ? 'HTTP/1.1 200 OK\r\n' : 'HTTP/1.1 404 no\r\n') + 'Content-Length: 0\r\n\r\n',
  moved: () => 'HTTP/1.1 302 Found\r\nLocation: /ready\r\n\r\n',
  broken: () => 'HTTP/1.1 500 oh\r\n\r\n',
  early: () => 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
  longer: () => 'HTTP/1.1 2000 OK\r\n\r\n',
};
const names = Object.keys(answers);
fs.mkdirSync('/tmp/real');
fs.symlinkSync('/tmp/real', '/tmp/linked');
fs.symlinkSync('/tmp/real/inner.sock', '/tmp/link.sock');
fs.writeFileSync('/tmp/file.sock', 'x');
const listen = (path, serve) => new Promise((resolve) => createServer(serve).on('error', () => undefined).listen(path, resolve));
const answering = (answer) => (socket) => socket.on('error', () => undefined).once('data', (said) => socket.write(answer(String(said))));
(async () => {
  for (const name of names) await listen('/tmp/' + name + '.sock', answering(answers[name]));
  await listen('/tmp/real/inner.sock', answering(answers.well));
  await listen('/tmp/silent.sock', (socket) => socket.on('error', () => undefined).resume());
  await listen('/tmp/closing.sock', (socket) => socket.on('error', () => undefined).end());
  await listen('/tmp/endless.sock', (socket) => {
    const more = () => { while (socket.write('x'.repeat(65536))); };
    socket.on('error', () => undefined).on('drain', more);
    more();
  });
  fs.mkdirSync('/tmp/gone');
  await listen('/tmp/gone/gone.sock', () => undefined);
  console.log('listening');
})();
setInterval(() => undefined, 1000);
`;

let program: RelayProgram;
let directory: string;
let outside: Server;
before(async () => {
  program = await buildRelayProgram();
  directory = mkdtempSync(join(tmpdir(), 'bureau-health-'));
  chmodSync(directory, 0o755);
  outside = createServer((socket) => socket.on('error', () => undefined).end('{"healthy":true}\n'));
  await new Promise<void>((resolve) => outside.listen(join(directory, 'outside.sock'), resolve));
  chmodSync(join(directory, 'outside.sock'), 0o777);
});
after(() => {
  outside.close();
  rmSync(directory, { recursive: true });
  program[Symbol.dispose]();
});

function agent(): RelayFixture {
  return new RelayFixture(program, ['/usr/bin/env', '/tmp/node', '-e', AGENT], {
    holdForObserver: true,
    moreOptions: ['--ro-bind', program.node, '/tmp/node', '--bind', join(directory, 'outside.sock'), '/tmp/outside.sock'],
  });
}

test('relay asks its payload how it is, and takes nobody else’s word, nor too much of it', async (t) => {
  await using relay = agent();
  await relay.go();
  const client = await relay.connect();
  const probe = (type: 'http' | 'socket', endpoint: string, more: { path?: string; milliseconds?: number } = {}): Promise<HealthFinding> =>
    client.call('probe', { type, endpoint: `/tmp/${endpoint}`, milliseconds: ANSWER_MILLISECONDS, ...more });
  await assert.rejects(probe('socket', 'well.sock'), { code: 'not_running' });
  const view = await relay.attach('control');
  await view.until(/listening/);

  const reasonOf = async (...args: Parameters<typeof probe>): Promise<string> => {
    const { healthy, reason } = await probe(...args);
    assert.equal(healthy, false, args.join(' '));
    return reason ?? '';
  };
  await t.test('an answer', async () => {
    assert.deepEqual(await probe('socket', 'well.sock'), { healthy: true });
    assert.deepEqual(await probe('socket', 'real/inner.sock'), { healthy: true }, 'the control for links');
    assert.deepEqual(await probe('http', 'http.sock', { path: '/ready?x=1' }), { healthy: true });
    assert.equal(await reasonOf('http', 'http.sock'), 'it answered with status 404, expected 200');
    assert.equal(await reasonOf('http', 'broken.sock'), 'it answered with status 500, expected 200');
    assert.equal(await reasonOf('socket', 'wordless.sock'), 'it says that it is not well');
  });
  await t.test('an answer that is none', async () => {
    assert.equal(await reasonOf('socket', 'ill.sock'), 'it says: no [31m database');
    assert.match(await reasonOf('http', 'moved.sock'), /status 302, expected 200/);
    assert.match(await reasonOf('http', 'early.sock'), /status 103, expected 200/);
    for (const name of ['well', 'longer', 'ill']) assert.equal(await reasonOf('http', `${name}.sock`), 'its answer is not HTTP/1');
    for (const name of ['strange', 'list', 'http', 'broken'])
      assert.match(await reasonOf('socket', `${name}.sock`), /expected a line such as/);
    assert.equal(await reasonOf('socket', 'closing.sock'), 'it ended the connection without an answer');
    assert.equal(await reasonOf('socket', 'endless.sock'), 'its answer has no line within 4096 bytes');
    assert.equal(await reasonOf('http', 'silent.sock', { milliseconds: SHORT_MILLISECONDS }), `no answer within ${SHORT_MILLISECONDS} ms`);
  });
  await t.test('a socket that is none, or another’s', async () => {
    assert.match(await reasonOf('socket', 'link.sock'), /a part of its path is a symlink/);
    assert.match(await reasonOf('socket', 'linked/inner.sock'), /a part of its path is a symlink/);
    assert.match(await reasonOf('socket', 'missing.sock'), /it is not there/);
    assert.match(await reasonOf('socket', 'file.sock'), /what is there is no socket/);
    assert.match(await reasonOf('socket', 'real'), /what is there is no socket/);
    assert.equal(await reasonOf('socket', 'outside.sock'), 'what listens there is not the agent');
    const said = new Promise<string>((resolve, reject) => {
      connectSocket(join(directory, 'outside.sock'), () => undefined)
        .on('data', (data) => resolve(String(data)))
        .on('error', reject);
    });
    assert.equal(await said, '{"healthy":true}\n', 'the control: it would have said so');
  });
  await t.test('a probe that the wire does not take', async () => {
    for (const endpoint of ['../x.sock', 'a/../../x.sock', './x.sock', '/x.sock', `${'x'.repeat(110)}.sock`, ''])
      await assert.rejects(probe('socket', endpoint), { code: 'invalid_input' }, endpoint);
    for (const path of ['/a b', '/a\r\nX: y', 'a', '/ä'])
      await assert.rejects(probe('http', 'http.sock', { path }), { code: 'invalid_input' }, path);
  });
  await t.test('no more than a few at once, and all of them end', async () => {
    const many = await Promise.allSettled(
      Array.from({ length: 12 }, () => probe('socket', 'silent.sock', { milliseconds: SHORT_MILLISECONDS })),
    );
    const refused = many.filter((each) => each.status === 'rejected' && (each.reason as { code?: string }).code === 'too_busy');
    assert.equal(refused.length, 8);
    assert.deepEqual(await probe('socket', 'well.sock'), { healthy: true });
  });
});
