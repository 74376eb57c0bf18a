// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { BureauError } from '@bureau/core';

/** The descriptor under a Node socket. Private in Node, so it is asked for in this one place. Throws `peer_unknown`. */
export function descriptorOf(socket: Socket): number {
  const handle = (socket as unknown as { _handle?: { fd?: number } | null })._handle;
  const fd = handle?.fd;
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw new BureauError(
    'peer_unknown',
    'The socket has no descriptor: it is closed, or not connected yet. Ask for its peer in the connection event.',
  );
}
