// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { createNodeIpc } from './settings.ts';

/** The name of the one connection of an instance. */
const PEER = 'peer';

/**
 * Starts to connect to a path with node-ipc, and gives the socket that it made. It is one connection: node-ipc does not make another
 * when it ends. node-ipc keeps listeners on the socket that find nobody to tell; errors are the taker's to listen for. One of them is
 * for data, so the socket flows from the start: who takes it listens before the turn of its "connect" is over.
 */
export function dial(path: string): Socket {
  // node-ipc would connect to a default path.
  if (path === '') throw new TypeError('connect() needs the path of a socket, found an empty one');
  const ipc = createNodeIpc(0);
  ipc.connectTo(PEER, path);
  const socket = ipc.of[PEER]?.socket;
  if (socket === undefined || socket === false)
    throw new TypeError(`node-ipc made no socket for ${path}: it is not the version that was read`);
  return socket;
}
