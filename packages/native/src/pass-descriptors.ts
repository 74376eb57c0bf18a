// SPDX-License-Identifier: Apache-2.0
import { closeSync, readSync } from 'node:fs';
import type { Socket } from 'node:net';
import { BureauError, UsageError } from '@bureau/core';
import koffi from 'koffi';
import { descriptorOf } from './descriptor-of.ts';
import { libc } from './libc.ts';
import { PASSED_DESCRIPTORS_MAX } from './limits.ts';
import { checked, lastErrno, systemCallError } from './system-call-error.ts';

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_WAITALL = 0x100;
const MSG_CTRUNC = 0x8;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const POLLIN = 1;
/** `struct msghdr`, `struct iovec` and `struct cmsghdr` of 64-bit Linux, the same on x86_64 and arm64. */
const MESSAGE_BYTES = 56;
const VECTOR_BYTES = 16;
const CONTROL_HEADER_BYTES = 16;

/** What came with one message. */
export interface PassedMessage {
  readonly bytes: Buffer;
  /** Close-on-exec; the caller's to close. */
  readonly descriptors: readonly number[];
}

/**
 * Sends `bytes` (at least one) with copies of `descriptors` over the connected Unix socket `socket` (or its descriptor); the originals stay the caller's.
 * For a few bytes on an idle socket: a message that is not taken whole at once throws `system_call_failed`, like every other failure;
 * a closed socket throws `peer_unknown`.
 */
export function sendDescriptors(socket: Socket | number, bytes: Uint8Array, descriptors: readonly number[]): void {
  refuseCount(descriptors.length);
  if (bytes.length === 0) throw new UsageError('empty_message', 'Descriptors travel with at least one byte; expected some, found none.');
  const control = Buffer.alloc(CONTROL_HEADER_BYTES + aligned(4 * descriptors.length));
  control.writeBigUInt64LE(BigInt(CONTROL_HEADER_BYTES + 4 * descriptors.length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, CONTROL_HEADER_BYTES + 4 * index);
  const data = Buffer.from(bytes);
  const { header, vector } = message(data, control);
  const sent = checked(
    libc().sendmsg(typeof socket === 'number' ? socket : descriptorOf(socket), header, MSG_NOSIGNAL),
    'sendmsg',
    'pass descriptors',
  );
  keep(vector);
  if (sent < data.length) throw systemCallError('sendmsg', 'EAGAIN', 'pass descriptors in one piece');
}

/**
 * Waits, blocking this thread, for `length` bytes on the connected Unix socket `socket` and takes at most `most` descriptors with them.
 * Null at the end of the socket. Throws `descriptors_lost` when more came than `most` or there was no room for them (those that did come
 * are closed then), `system_call_failed`.
 */
export function receiveDescriptors(socket: number, length: number, most: number): PassedMessage | null {
  refuseCount(most);
  const bytes = Buffer.alloc(length);
  const control = Buffer.alloc(CONTROL_HEADER_BYTES + aligned(4 * most));
  const { header, vector } = message(bytes, control);
  waitReadable(socket);
  const count = checked(libc().recvmsg(socket, header, MSG_CMSG_CLOEXEC | MSG_WAITALL), 'recvmsg', 'take descriptors', { socket });
  keep(vector);
  const descriptors = readControl(control.subarray(0, Number(header.readBigUInt64LE(40))));
  if (count === length && (header.readInt32LE(48) & MSG_CTRUNC) === 0 && descriptors.length <= most) return { bytes, descriptors };
  for (const descriptor of descriptors) closeSync(descriptor);
  if (count === 0) return null;
  throw new BureauError(
    'descriptors_lost',
    `Expected ${length} bytes with at most ${most} descriptors in one message, found ${count} bytes${count === length ? ' and more descriptors' : ''}.`,
    { data: { expected: length, found: count } },
  );
}

/** Waits, blocking this thread, for exactly `length` bytes of the descriptor `socket`. Throws `peer_gone` when it ends before. */
export function receiveBytes(socket: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let have = 0; have < length;) {
    waitReadable(socket);
    const more = readSync(socket, bytes, have, length - have, null);
    if (more === 0) throw new BureauError('peer_gone', `Expected ${length} bytes, found the end of the socket after ${have}`);
    have += more;
  }
  return bytes;
}

/** A signal handler that ran meanwhile is no reason to stop waiting. */
function waitReadable(socket: number): void {
  const poll = Buffer.alloc(8);
  for (;;) {
    poll.writeInt32LE(socket, 0);
    poll.writeInt16LE(POLLIN, 4);
    if (libc().poll(poll, 1, -1) > 0) return;
    const errno = lastErrno();
    if (errno !== 'EINTR') throw systemCallError('poll', errno, 'wait for descriptors', { socket });
  }
}

/** The kernel reads and writes through the addresses in these: all must live until the call has returned. */
function message(data: Buffer, control: Buffer): { readonly header: Buffer; readonly vector: readonly Buffer[] } {
  const vector = Buffer.alloc(VECTOR_BYTES);
  vector.writeBigUInt64LE(addressOf(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(MESSAGE_BYTES);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  return { header, vector: [vector, data, control] };
}

function addressOf(buffer: Buffer): bigint {
  return BigInt(koffi.address(buffer));
}

/** Used after a call, so that nothing frees what its addresses point to before. */
function keep(buffers: readonly Buffer[]): void {
  for (const buffer of buffers) buffer.readUInt8(0);
}

function readControl(control: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + CONTROL_HEADER_BYTES <= control.length;) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < CONTROL_HEADER_BYTES || at + length > control.length) break;
    if (control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS) {
      for (let place = at + CONTROL_HEADER_BYTES; place + 4 <= at + length; place += 4) found.push(control.readInt32LE(place));
    }
    at += aligned(length);
  }
  return found;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function refuseCount(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= PASSED_DESCRIPTORS_MAX) return;
  throw new UsageError('bad_descriptor_count', `Expected 1 to ${PASSED_DESCRIPTORS_MAX} descriptors in a message, found ${count}.`);
}
