// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { Socket } from 'node:net';

/** Why a tunnel ended. */
export type SpliceEnd = 'closed' | 'idle' | 'bytes' | 'cut';

export interface SpliceOptions {
  readonly agent: Socket;
  readonly upstream: Socket;
  readonly idleMilliseconds: number;
  readonly bytesMost: number;
  readonly clock: Clock;
  /** Called with the bytes of each piece as it passes. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

export interface SpliceResult {
  readonly end: SpliceEnd;
  /** From the agent, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/**
 * Carries bytes both ways until both sides have ended, one has failed, nothing moves for too long, or the bound on bytes is reached.
 * A side that reads slowly stops the other from being read: no more is held than both sockets' own buffers. Resolves with both closed.
 */
export function splice(options: SpliceOptions): Promise<SpliceResult> {
  const { agent, upstream, clock } = options;
  let bytesIn = 0;
  let bytesOut = 0;
  let movedAt = clock.monotonic();
  return new Promise((resolve) => {
    let ended = false;
    const finish = (end: SpliceEnd): void => {
      if (ended) return;
      ended = true;
      timer.clear();
      options.signal.removeEventListener('abort', onAbort);
      // What was written last still goes out; a peer that does not read it is not waited for.
      for (const socket of [agent, upstream])
        if (end === 'closed') socket.destroySoon();
        else socket.destroy();
      resolve({ end, bytesIn, bytesOut });
    };
    const onAbort = (): void => finish('cut');
    let timer = watch(options.idleMilliseconds);
    function watch(milliseconds: number): { clear(): void } {
      return clock.setTimer(milliseconds, () => {
        const left = options.idleMilliseconds - (clock.monotonic() - movedAt);
        if (left <= 0) finish('idle');
        else timer = watch(left);
      });
    }
    const count = (bytes: number): void => {
      movedAt = clock.monotonic();
      options.onBytes(bytes);
      if (bytesIn + bytesOut > options.bytesMost) finish('bytes');
    };
    options.signal.addEventListener('abort', onAbort, { once: true });
    if (options.signal.aborted) return onAbort();
    carry(agent, upstream, (bytes) => {
      bytesIn += bytes;
      count(bytes);
    });
    carry(upstream, agent, (bytes) => {
      bytesOut += bytes;
      count(bytes);
    });
    for (const [one, other] of [
      [agent, upstream],
      [upstream, agent],
    ] as const) {
      one.on('error', () => finish('closed'));
      one.once('close', () => finish('closed'));
      one.once('end', () => {
        other.end();
        if (other.readableEnded) finish('closed');
      });
    }
  });
}

function carry(from: Socket, to: Socket, onBytes: (bytes: number) => void): void {
  from.on('data', (piece: Buffer) => {
    if (!to.write(piece)) from.pause();
    onBytes(piece.length);
  });
  to.on('drain', () => from.resume());
  from.resume();
}
