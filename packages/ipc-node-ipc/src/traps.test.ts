// SPDX-License-Identifier: Apache-2.0
// What node-ipc does as it comes ("control"), and that ours does not.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { IPCModule } from 'node-ipc';
import { dial } from './dial.ts';
import { connect, serve } from './index.ts';
import { createNodeIpc } from './settings.ts';
import { asClient, bareServer, defaultNodeIpc, firstWord, numberServer, scratch, startServer } from './testing-sockets.ts';

/** A frame of four bytes, of which the first connection gives the length and half, the second all of another. */
const HALF = Buffer.from('0000000461 62'.replaceAll(' ', ''), 'hex');
const WHOLE = Buffer.from('0000000478787878', 'hex');
/** Writes that nobody reads: more than any socket buffer, and than our bound. */
const FLOOD_BYTES = 16 * 1024 * 1024;

/** A server whose first connection breaks off in the middle of a frame. */
function breakingServer(path: string): ReturnType<typeof bareServer> {
  let first = true;
  return bareServer(path, (socket) => {
    if (first) socket.end(HALF);
    else socket.write(WHOLE);
    first = false;
  });
}

test('control: node-ipc connects again by itself, and its "data" goes on in the middle of the old frame', async () => {
  using place = scratch();
  await using server = await breakingServer(place.path);
  const ipc = defaultNodeIpc();
  ipc.config.retry = 1;
  ipc.connectTo('x', place.path);
  let received = Buffer.alloc(0);
  await new Promise<void>((resolve) => {
    ipc.of['x']?.on('data', (data) => {
      received = Buffer.concat([received, data]);
      if (received.length === HALF.length + WHOLE.length) resolve();
    });
  });
  ipc.disconnect('x');
  assert.equal(server.accepted, 2);
  // Read as one stream, the first frame is "ab" and half of the length of the second.
  assert.equal(received.subarray(4, 8).toString('hex'), '61620000');
});

test('with our settings a connection that ends is the end: no timer to connect again', async () => {
  using place = scratch();
  for (const [ipc, again] of [
    [createNodeIpc(0), false],
    [defaultNodeIpc(), true],
  ] as const) {
    await using _server = await bareServer(place.path, (socket) => void socket.end());
    ipc.connectTo('x', place.path);
    const client = ipc.of['x'];
    assert.ok(client !== undefined);
    await new Promise<void>((resolve) => client.on('disconnect', resolve));
    assert.equal(client.retryTimer !== false, again);
    ipc.disconnect('x');
  }
});

test('connect after a half frame has a decoder of its own', async () => {
  using place = scratch();
  const hello = Buffer.from('0000001c84a474797065a568656c6c6fa870726f746f636f6c01a56275696c64a162a4726f6c65a172', 'hex');
  hello.writeUInt32BE(hello.length - 4);
  let first = true;
  await using server = await bareServer(place.path, (socket) => {
    if (first) socket.end(hello.subarray(0, 20));
    else socket.write(hello);
    first = false;
  });
  await assert.rejects(connect({ ...asClient, path: place.path }), { code: 'connection_lost' });
  using client = await connect({ ...asClient, path: place.path });
  assert.equal(client.peer.role, 'r');
  assert.equal(server.accepted, 2, 'as often as connect was called');
});

test('control: node-ipc writes without a bound to a peer that does not read', async () => {
  using place = scratch();
  await using _server = await bareServer(place.path, (socket) => void socket.pause());
  const ipc = defaultNodeIpc();
  ipc.config.maxRetries = 0;
  ipc.connectTo('x', place.path);
  const client = ipc.of['x'];
  assert.ok(client?.socket);
  await once(client.socket, 'connect');
  for (let sent = 0; sent < FLOOD_BYTES; sent += 65_536) client.emit(Buffer.alloc(65_536));
  assert.ok(client.socket.writableLength > FLOOD_BYTES / 2, `${client.socket.writableLength} bytes wait`);
  assert.equal(client.socket.destroyed, false);
  ipc.disconnect('x');
});

test('connect refuses requests beyond the bound, on the socket that node-ipc made', async () => {
  using place = scratch();
  const hello = '0000002084a474797065a568656c6c6fa870726f746f636f6c01a56275696c64a162a4726f6c65a172';
  const frame = Buffer.from(hello, 'hex');
  frame.writeUInt32BE(frame.length - 4);
  await using _server = await bareServer(place.path, (socket) => {
    socket.write(frame);
    socket.pause();
  });
  using client = await connect({ ...asClient, path: place.path, limits: { maxQueuedBytes: 1024 * 1024 } });
  const codes = new Set<string>();
  let calls = 0;
  const padding = 'x'.repeat(65_536);
  while (!codes.has('too_busy') && calls < FLOOD_BYTES / 65_536) {
    calls += 1;
    client.call('number', { padding } as never).catch((error: Error & { code: string }) => codes.add(error.code));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(codes.has('too_busy'));
  assert.ok(calls * 65_536 < 4 * 1024 * 1024, `${calls} calls were taken`);
});

test('control: node-ipc drops the 101st connection without a word; ours serves 120, and tells the one after its limit', async () => {
  using place = scratch();
  {
    await using _server = await startServer(defaultNodeIpc(), place.path, (socket) => void socket.write('!'));
    using held = new DisposableStack();
    for (let index = 0; index < 100; index += 1) await holdOne(place.path, held);
    assert.equal(await firstWord(place.path), '');
  }
  await using _server = await serve({ ...numberServer(1), path: place.path, limits: { maxConnections: 120 } });
  using held = new DisposableStack();
  for (let index = 0; index < 120; index += 1) held.use(await connect({ ...asClient, path: place.path }));
  await assert.rejects(connect({ ...asClient, path: place.path }), { code: 'too_busy' });
});

async function holdOne(path: string, held: DisposableStack): Promise<void> {
  const socket = held.adopt(connectSocket({ path }), (used) => void used.destroy());
  await once(socket, 'data');
}

test('control: node-ipc tells nobody that it could not connect; ours rejects, with node-ipc and socket gone', async () => {
  using place = scratch();
  const ipc = defaultNodeIpc();
  ipc.config.maxRetries = 0;
  ipc.connectTo('x', place.path);
  await new Promise<void>((resolve) => ipc.of['x']?.on('destroy', resolve));
  ipc.disconnect('x');
  await assert.rejects(connect({ ...asClient, path: place.path }), {
    code: 'connection_refused',
    data: { path: place.path, errno: 'ENOENT' },
  });
  await assert.rejects(connect({ ...asClient, path: '' }), TypeError);
});

test('dial gives a real socket that nobody else reads from', async () => {
  using place = scratch();
  await using _server = await bareServer(place.path, (socket) => void socket.write('hello'));
  const socket: Socket = dial(place.path);
  const [data] = (await once(socket, 'data')) as [Buffer];
  assert.equal(data.toString(), 'hello');
  socket.destroy();
});

test('control: node-ipc writes to the console and changes a mode; ours does neither', { timeout: 20_000 }, async () => {
  using place = scratch();
  // Where node-ipc, told of this run directory, has its sockets.
  const root = join(place.directory, 'node-ipc');
  mkdirSync(root);
  chmodSync(root, 0o755);
  assert.equal(await printedBy('ours', place.directory, join(root, 'a.sock')), '');
  assert.equal(statSync(root).mode & 0o777, 0o755);
  assert.match(await printedBy('control', place.directory, join(root, 'b.sock')), /starting server.*connecting client/s);
  assert.equal(statSync(root).mode & 0o777, 0o700);
});

/** All that a process printed that connected, served and failed. */
async function printedBy(kind: string, runDirectory: string, path: string): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'testing-quiet.main.ts'), kind, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { XDG_RUNTIME_DIR: runDirectory },
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0, printed);
  return printed;
}

test('an instance of ours shares no setting with the one that node-ipc exports, nor with another', () => {
  const [mine, other] = [createNodeIpc(7), createNodeIpc(8)];
  assert.deepEqual([mine.config.maxConnections, other.config.maxConnections], [7, 8]);
  assert.equal(new IPCModule().config.unlink, true, 'the default is as dangerous as we think');
  assert.deepEqual(
    [mine.config.unlink, mine.config.maxRetries, mine.config.stopRetrying, mine.config.rawBuffer, mine.config.silent],
    [false, 0, true, true, true],
  );
});
