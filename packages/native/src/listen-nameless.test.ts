// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { test } from 'node:test';
import { listenNameless } from './listen-nameless.ts';

test('listenNameless makes a listener that has no file, under a name of the kernel', async () => {
  const fd = listenNameless();
  const inode = /[0-9]+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0] ?? '';
  const name = readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .find((line) => line.split(' ')[6] === inode)
    ?.split(' ')[7];
  assert.match(name ?? '', /^@[0-9a-f]{5}$/);
  const server = createServer((socket) => socket.end('here')).listen({ fd });
  const client = createConnection(`\0${name?.slice(1)}`);
  const [data] = (await once(client, 'data')) as [Buffer];
  assert.equal(data.toString(), 'here');
  client.destroy();
  server.close();
});
