// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { listenUnix, peerCredentials, readPeerOfFd } from './index.ts';

const NOBODY = 65_534;
/** Connects, says so, and stays until the other side closes. */
const CONNECT = 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)';

test('peerCredentials() tells pid, uid and gid of a client under another uid', async () => {
  const directory = mkdtempSync('/tmp/native-');
  const path = `${directory}/s.sock`;
  const server = createServer().listen({ fd: listenUnix(path, { mode: 0o666 }) });
  chmodSync(directory, 0o755);
  const setpriv = ['--reuid', String(NOBODY), '--regid', '1234', '--clear-groups', '--', '/usr/bin/python3', '-c', CONNECT, path];
  const client = spawn('/usr/bin/setpriv', setpriv, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [socket] = (await once(server, 'connection')) as [Socket];
  assert.deepEqual(peerCredentials(socket), { pid: client.pid, uid: NOBODY, gid: 1234 });
  socket.destroy();
  await once(client, 'exit');
  // What the peer was is known although it has gone; what a closed socket's peer was is not.
  assert.throws(() => peerCredentials(socket), { code: 'peer_unknown' });
  server.close();
  rmSync(directory, { recursive: true });
});

test('peerCredentials() on the connecting side tells who listens', async () => {
  const directory = mkdtempSync('/tmp/native-');
  const server = createServer().listen(`${directory}/s.sock`);
  await once(server, 'listening');
  const client = connect(`${directory}/s.sock`);
  await once(client, 'connect');
  assert.deepEqual(peerCredentials(client), { pid: process.pid, uid: 0, gid: 0 });
  client.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

test('peerCredentials() refuses a TCP socket and one that is not connected yet', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const client = connect(address.port, '127.0.0.1');
  assert.throws(() => peerCredentials(client), { code: 'peer_unknown' });
  await once(client, 'connect');
  assert.throws(() => peerCredentials(client), { code: 'peer_unknown' });
  client.destroy();
  server.close();
});

test('readPeerOfFd() names errno for a file and for a closed descriptor', () => {
  const file = openSync('/dev/null', 'r');
  assert.throws(() => readPeerOfFd(file), {
    code: 'system_call_failed',
    data: { call: 'getsockopt(SO_PEERCRED)', errno: 'ENOTSOCK', fd: file },
  });
  closeSync(file);
  assert.throws(() => readPeerOfFd(file), {
    code: 'system_call_failed',
    data: { call: 'getsockopt(SO_PEERCRED)', errno: 'EBADF', fd: file },
  });
});
