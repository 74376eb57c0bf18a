// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { encodeFrame } from '@bureau/ipc';
import { closeOnExecFrom, openPipe } from '@bureau/native';
import { ptyBinding } from './pty-binding.ts';

/**
 * Does once, to nobody's benefit, what a relay does between its order and its sandbox: what is loaded and compiled late is then there.
 * Leaves nothing behind. A machine without terminals finds out when it needs one.
 */
export function warmUpRelay(): void {
  const { read, write } = openPipe();
  closeSync(read);
  closeSync(write);
  closeOnExecFrom(3);
  encodeFrame({ type: 'ready' });
  try {
    const { master, slave } = ptyBinding().open(80, 24);
    closeSync(master);
    closeSync(slave);
  } catch {
    // Told again, to somebody who listens, by the relay that needs it.
  }
}
