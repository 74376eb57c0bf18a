// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as net from '@bureau/ipc';
import { connect, serve } from './index.ts';
import { placeSocket } from './socket-path.ts';
import { asClient, bareServer, defaultNodeIpc, firstWord, leaveDeadSocket, numberServer, scratch, startServer } from './testing-sockets.ts';

async function numberAt(path: string): Promise<number> {
  using client = await connect({ ...asClient, path });
  return (await client.call('number', {})).number;
}

test('a live listener is not taken over by serve; by node-ipc as it comes, it is', async () => {
  using place = scratch();
  await using _first = await serve({ ...numberServer(1), path: place.path });
  await assert.rejects(serve({ ...numberServer(2), path: place.path }), { code: 'EADDRINUSE', message: /somebody listens there/ });
  assert.equal(await numberAt(place.path), 1);

  await using _thief = await startServer(defaultNodeIpc(), place.path, (socket) => void socket.end('stolen'));
  assert.equal(await firstWord(place.path), 'stolen');
});

test('a live listener of the other engine, and what cannot be told from a live one, are not taken over', async () => {
  using place = scratch();
  {
    await using _first = await net.serve({ ...numberServer(1), path: place.path });
    await assert.rejects(serve({ ...numberServer(2), path: place.path }), { code: 'EADDRINUSE' });
    assert.equal(await numberAt(place.path), 1);
  }
  await using _bare = await bareServer(place.path, () => {});
  const before = lstatSync(place.path).ino;
  // Whatever connecting says but "refused" is not proof of death.
  await assert.rejects(
    placeAt(place.path, () => Promise.resolve(true)),
    { code: 'EADDRINUSE' },
  );
  assert.equal(lstatSync(place.path).ino, before);
});

test('a dead socket is replaced by serve; node:net refuses it', async () => {
  using place = scratch();
  await leaveDeadSocket(place.path);
  assert.equal(await firstWord(place.path), 'ECONNREFUSED');
  await assert.rejects(net.serve({ ...numberServer(1), path: place.path }), { code: 'EADDRINUSE' });
  {
    await using _server = await serve({ ...numberServer(2), path: place.path });
    assert.equal(await numberAt(place.path), 2);
    assert.deepEqual(readdirSync(place.directory), ['a.sock']);
  }
  assert.deepEqual(readdirSync(place.directory), [], 'a closed server takes its socket away');
});

const notSockets: readonly (readonly [string, (path: string) => void, (path: string) => boolean])[] = [
  ['a file', (path) => writeFileSync(path, 'precious'), (path) => readFileSync(path, 'utf8') === 'precious'],
  ['a directory', (path) => mkdirSync(path), (path) => lstatSync(path).isDirectory()],
  ['a link to nothing', (path) => symlinkSync(`${path}.target`, path), (path) => lstatSync(path).isSymbolicLink()],
];
for (const [name, make, isUntouched] of notSockets) {
  test(`serve leaves alone what is no socket: ${name}`, async () => {
    using place = scratch();
    make(place.path);
    await assert.rejects(serve({ ...numberServer(1), path: place.path }), { code: 'EADDRINUSE', message: /no socket/ });
    assert.ok(isUntouched(place.path));
    assert.deepEqual(readdirSync(place.directory), ['a.sock']);
  });
}

test('of many that find a dead socket at once, one serves and all others are told', async () => {
  using place = scratch();
  for (let round = 0; round < 5; round += 1) {
    await leaveDeadSocket(place.path);
    const attempts = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) => serve({ ...numberServer(index), path: place.path }).then((server) => ({ server, index }))),
    );
    const winners = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
    const losers = attempts.flatMap((attempt) => (attempt.status === 'rejected' ? [attempt.reason.code as string] : []));
    assert.deepEqual([...new Set(losers)], ['EADDRINUSE']);
    assert.equal(winners.length, 1);
    assert.equal(await numberAt(place.path), winners[0]?.index);
    assert.deepEqual(readdirSync(place.directory), ['a.sock']);
    await winners[0]?.server.close();
  }
});

/** Puts a bound socket at `path`, as `listen` does. */
async function placeAt(path: string, isLive: (path: string) => Promise<boolean>): Promise<void> {
  await leaveDeadSocket(`${path}.new`);
  await placeSocket(`${path}.new`, path, isLive);
}

test('placeSocket gives a live socket its name back that came between the question and the removal', async () => {
  using place = scratch();
  await leaveDeadSocket(place.path);
  const other = `${place.path}.other`;
  await using _live = await bareServer(other, (socket) => void socket.end('mine'));
  const comesBetween = (path: string): Promise<boolean> => {
    renameSync(other, path);
    return Promise.resolve(false);
  };
  await assert.rejects(placeAt(place.path, comesBetween), { code: 'EADDRINUSE', message: /faster/ });
  assert.equal(await firstWord(place.path), 'mine');
  assert.deepEqual(readdirSync(place.directory), ['a.sock']);
});

test('placeSocket takes a place that became free while it asked', async () => {
  using place = scratch();
  await leaveDeadSocket(place.path);
  await placeAt(place.path, (path) => {
    unlinkSync(path);
    return Promise.resolve(false);
  });
  assert.deepEqual(readdirSync(place.directory), ['a.sock']);
});

test('a server that closes leaves alone what another has put in its place', async () => {
  using place = scratch();
  const first = await serve({ ...numberServer(1), path: place.path });
  unlinkSync(place.path);
  await using _second = await serve({ ...numberServer(2), path: place.path });
  await first.close();
  assert.equal(await numberAt(place.path), 2);
});

test('serve says what is wrong with a place where it cannot listen, and leaves nothing', async () => {
  using place = scratch();
  await assert.rejects(serve({ ...numberServer(1), path: join(place.directory, 'none', 'a.sock') }), { code: 'EACCES' });
  await assert.rejects(serve({ ...numberServer(1), path: join(place.directory, 'x'.repeat(120)) }), { code: 'EINVAL' });
  await assert.rejects(serve({ ...numberServer(1), path: '' }), TypeError);
  await assert.rejects(serve({ ...numberServer(1), fd: 3 }), { name: 'TypeError', message: /inherited descriptor.*@bureau\/ipc/ });
  assert.deepEqual(readdirSync(place.directory), []);
});
