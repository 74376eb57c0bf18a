// SPDX-License-Identifier: Apache-2.0
import 'node:cluster'; // what a server loads at its first `listen`
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { encodeFrame, readFrames } from '@bureau/ipc';
import { closeOnExecFrom, openPipe } from '@bureau/native';
import { relayConfig } from '@bureau/protocol';
import * as v from 'valibot';
import { CONFIG_MAX_BYTES } from './limits.ts';
import { pipeStdio } from './payload-stdio.ts';
import { ptyBinding } from './pty-binding.ts';

/** Ends at once with 0, and needs nothing. */
const TRUE = '/usr/bin/true';

/**
 * Does once, to nobody's benefit, what a relay does between its order and its sandbox: what is loaded and compiled late is then there.
 * Leaves nothing behind. What fails here is told again, to somebody who listens, by the relay that needs it.
 */
export async function warmUpRelay(): Promise<void> {
  for await (const value of readFrames(Readable.from([encodeFrame({ v: 1 })]), CONFIG_MAX_BYTES)) v.safeParse(relayConfig, value);
  statSync('/nonexistent', { throwIfNoEntry: false });
  openAndCloseTerminal();
  const stdio = pipeStdio();
  const more = openPipe();
  closeOnExecFrom(3);
  const child = spawn(TRUE, [], { stdio: [...stdio.descriptors, more.read], env: {}, cwd: '/', detached: true });
  const ended = Promise.race([once(child, 'exit'), once(child, 'error')]);
  stdio.started();
  for (const descriptor of [more.read, more.write]) closeSync(descriptor);
  await ended.catch(() => undefined);
  stdio.close();
}

function openAndCloseTerminal(): void {
  try {
    const { master, slave } = ptyBinding().open(80, 24);
    closeSync(master);
    closeSync(slave);
  } catch {
    // A machine without terminals.
  }
}
