// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net';
import { sleep, type Clock } from '@bureau/core';
import { PORT_PROBE_PAUSE } from './limits.ts';

/** True when something accepts connections on this loopback port right now. */
export function isPortOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Resolves as soon as the port accepts; rejects with the signal's reason. */
export async function portOpen(port: number, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!(await isPortOpen(port))) await sleep(clock, PORT_PROBE_PAUSE, signal);
}
