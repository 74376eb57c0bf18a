// SPDX-License-Identifier: Apache-2.0
import { linkSync, lstatSync, renameSync, unlinkSync, type Stats } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { hasCode } from '@bureau/core';

/** Says whether somebody listens at a socket. */
export type Probe = (path: string) => Promise<boolean>;

/**
 * Gives the listening socket at `temporary` the name `path` (same directory), and takes the temporary name away. A dead socket at
 * `path` is replaced; a live one, or anything that is no socket, is left alone. Rejects with `EADDRINUSE`.
 *
 * Nothing appears at `path` before it listens, so that "refused" means dead; and only that which was found dead is removed.
 */
export async function placeSocket(temporary: string, path: string, isLive: Probe = connects): Promise<void> {
  try {
    if (link(temporary, path)) return;
    await removeDead(path, `${temporary}-`, isLive);
    if (!link(temporary, path)) throw inUse(path, 'another process was faster');
  } finally {
    unlinkSync(temporary);
  }
}

/** Takes `path` away when it is still the file that `owned` describes. */
export function removeOwn(path: string, owned: Stats): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && isSame(found, owned)) unlinkSync(path);
}

async function removeDead(path: string, aside: string, isLive: Probe): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw inUse(path, 'there is a file that is no socket');
  if (await isLive(path)) throw inUse(path, 'somebody listens there');
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  // Another process may have put its own there since we asked: look at what was moved, and give a wrong one its name back at once.
  renameSync(path, aside);
  const wrong = !isSame(lstatSync(aside), found);
  const restored = wrong && link(aside, path);
  unlinkSync(aside);
  if (wrong) throw inUse(path, restored ? 'another process was faster' : 'two other processes want it');
}

/** Says whether the name was free. */
function link(existing: string, path: string): boolean {
  try {
    linkSync(existing, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** An inode is not used again while a socket that is bound to it is open. */
function isSame(left: Stats, right: Stats): boolean {
  return left.dev === right.dev && left.ino === right.ino;
}

/** Connecting to a Unix socket succeeds or fails at once, so this needs no deadline. What cannot be told counts as live. */
function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'));
  });
}

/** As Node says it, so that callers of both engines look for one code. */
function inUse(path: string, why: string): Error {
  return Object.assign(new Error(`listen EADDRINUSE: cannot listen at ${path}: ${why}`), {
    code: 'EADDRINUSE',
    syscall: 'listen',
    address: path,
  });
}
