// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { lstatSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import type { Listen, ListenAt, Listener, ListenerEvents } from '@bureau/ipc/engine';
import { createNodeIpc } from './settings.ts';
import { placeSocket, removeOwn } from './socket-path.ts';

/** Random bytes of the name under which a socket starts to listen; the name is short because a path may have 107 bytes in all. */
const TEMPORARY_NAME_BYTES = 4;
/** What the address of a Unix socket holds, less the byte that ends it. A longer name can be linked, but nobody could connect to it. */
const LONGEST_PATH_BYTES = 107;

/** Listens with node-ipc, by path only. `maxConnections` bounds what it accepts at once; more are closed without a word. */
export function listenWith(maxConnections: number): Listen {
  return (at, events) => listen(at, events, maxConnections);
}

async function listen(at: ListenAt, events: ListenerEvents, maxConnections: number): Promise<Listener> {
  if ('fd' in at) {
    throw new TypeError('node-ipc cannot listen on an inherited descriptor: serve by path, or use serve() of @bureau/ipc');
  }
  if (at.path === '') throw new TypeError('serve() needs the path of a socket, found an empty one');
  if (Buffer.byteLength(at.path) > LONGEST_PATH_BYTES) {
    const message = `listen EINVAL: cannot listen at ${at.path}: the path of a socket has ${LONGEST_PATH_BYTES} bytes at most`;
    throw Object.assign(new Error(message), { code: 'EINVAL', syscall: 'listen', address: at.path });
  }
  const temporary = join(dirname(at.path), `.${randomBytes(TEMPORARY_NAME_BYTES).toString('hex')}`);
  const server = await start(temporary, events, maxConnections);
  const owned = lstatSync(temporary);
  try {
    await placeSocket(temporary, at.path);
  } catch (error) {
    server.close();
    throw error;
  }
  return {
    close: (closed) => {
      removeOwn(at.path, owned);
      server.close(closed);
    },
  };
}

function start(path: string, events: ListenerEvents, maxConnections: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const ipc = createNodeIpc(maxConnections);
    ipc.serve(path);
    if (ipc.server === false) throw new TypeError('node-ipc made no server: it is not the version that was read');
    ipc.server.on('connect', (socket) => events.socket(socket));
    ipc.server.start();
    const { server } = ipc.server;
    if (server === false) throw new TypeError('node-ipc made no server: it is not the version that was read');
    // Its own "error" event mixes those of the listener with those of every connection.
    server.once('error', reject);
    server.once('listening', () => {
      server.removeListener('error', reject);
      server.on('error', (error) => events.error(error));
      resolve(server);
    });
  });
}
