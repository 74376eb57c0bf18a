// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { BureauError } from '@bureau/core';
import { descriptorOf } from './descriptor-of.ts';
import { libc } from './libc.ts';
import { checked } from './system-call-error.ts';

/** Who connected, as the kernel recorded it at `connect` (on the connecting side: who last called `listen`). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_BYTES = 12;

/** `SO_PEERCRED` of a connected Unix stream socket. Throws `system_call_failed` on anything else. */
export function readPeerOfFd(fd: number): PeerCredentials {
  const ucred = Buffer.alloc(UCRED_BYTES);
  const length = new Uint8Array(Uint32Array.of(UCRED_BYTES).buffer);
  checked(libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length), 'getsockopt(SO_PEERCRED)', `read the peer of descriptor ${fd}`, {
    fd,
  });
  const pid = ucred.readInt32LE(0);
  // An unconnected or non-Unix socket has no peer: the kernel leaves pid 0 and ids of -1. Pid 0 alone is a peer of another pid namespace.
  const uid = ucred.readUInt32LE(4);
  if (uid === 0xffff_ffff)
    throw new BureauError('peer_unknown', `Descriptor ${fd} has no peer: expected a connected Unix socket.`, { data: { fd } });
  return { pid, uid, gid: ucred.readUInt32LE(8) };
}

/** Who is at the other end of a connected Unix socket. Throws `peer_unknown` when the socket is closed already: refuse it then. */
export function peerCredentials(socket: Socket): PeerCredentials {
  return readPeerOfFd(descriptorOf(socket));
}
