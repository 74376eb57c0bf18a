// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net';
import { sleep, type Clock } from '@bureau/core';
import { PORT_PROBE_PAUSE } from './limits.ts';

/** True when something accepts connections on this loopback port right now. An aborted signal ends the question with `false`. */
export function isPortOpen(port: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, ...(signal === undefined ? {} : { signal }) });
    const answer = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true));
    // Stays: an abort after the answer is one more error.
    socket.on('error', () => answer(false));
  });
}

/** Resolves as soon as the port accepts; rejects with the signal's reason. */
export async function portOpen(port: number, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!(await isPortOpen(port, signal))) await sleep(clock, PORT_PROBE_PAUSE, signal);
}
