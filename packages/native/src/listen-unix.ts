// SPDX-License-Identifier: Apache-2.0
import { chmodSync, closeSync, constants, lstatSync, openSync, renameSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { randomInt } from 'node:crypto';
import { BureauError, hasCode } from '@bureau/core';
import { libc } from './libc.ts';
import { LISTEN_BACKLOG, SOCKET_PATH_MAX_BYTES, TEMPORARY_NAME_TRIES } from './limits.ts';
import { checked, lastErrno, systemCallError } from './system-call-error.ts';

/** How a Unix listener is made. */
export interface ListenUnixOptions {
  /** Permission bits of the socket file, exactly these whatever the umask. Connecting needs write. */
  readonly mode: number;
  /** Connections that wait for accept; default 511. */
  readonly backlog?: number;
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** Not in Node's constants; the same on x86_64 and arm64. */
const O_PATH = 0o10000000;

/**
 * Makes a listening Unix socket at `path` and returns its descriptor (close-on-exec, non-blocking), which the caller owns: pass it to
 * a child and close it, or serve it with `net.createServer().listen({ fd })`.
 *
 * It is bound to a temporary name beside `path` and renamed into place when it already listens: whoever connects reaches either the
 * listener that was there before or this one, never nothing. An earlier socket file is replaced, dead or alive (the old listener keeps
 * its connections and its queue). The file stays when the listener closes.
 *
 * Throws `socket_path_too_long` above 107 bytes, `socket_path_taken` when something that is not a socket is in the way, and
 * `system_call_failed`; nothing is left behind then.
 */
export function listenUnix(path: string, options: ListenUnixOptions): number {
  refuseTooLong(path);
  refuseTaken(path);
  const fd = checked(libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 'socket', `listen on ${path}`, { path });
  let temporary: string | undefined;
  try {
    temporary = bindBeside(fd, path);
    changeMode(temporary, options.mode);
    checked(libc().listen(fd, options.backlog ?? LISTEN_BACKLOG), 'listen', `listen on ${path}`, { path });
    renameSync(temporary, path);
    return fd;
  } catch (error) {
    closeSync(fd);
    if (temporary !== undefined) unlinkQuietly(temporary);
    throw error;
  }
}

/** A disk that has become read-only keeps it; the first failure is the one that is reported. */
function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It holds nothing but a name.
  }
}

function refuseTooLong(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > 0 && bytes <= SOCKET_PATH_MAX_BYTES && !path.includes('\0')) return;
  throw new BureauError(
    'socket_path_too_long',
    `A socket path has 1 to ${SOCKET_PATH_MAX_BYTES} bytes and no zero byte; this one has ${bytes}: ${JSON.stringify(path)}. Use a shorter directory.`,
    { data: { path, bytes, limit: SOCKET_PATH_MAX_BYTES } },
  );
}

function refuseTaken(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSocket()) return;
  throw new BureauError('socket_path_taken', `Expected nothing or an old socket at ${path}, but something else is there. Move it away.`, {
    data: { path },
  });
}

/** Binds to a fresh name in the directory of `path` and returns it. The long form is what `ss -xl` shows for the socket's life. */
function bindBeside(fd: number, path: string): string {
  for (let attempt = 0; ; attempt += 1) {
    const mark = randomInt(36 ** 6)
      .toString(36)
      .padStart(6, '0');
    const long = join(dirname(path), `.${basename(path)}.${mark}`);
    const temporary = Buffer.byteLength(long) <= SOCKET_PATH_MAX_BYTES ? long : join(dirname(path), `.${mark}`);
    refuseTooLong(temporary);
    const address = socketAddress(temporary);
    if (libc().bind(fd, address, address.length) === 0) return temporary;
    const errno = lastErrno();
    if (errno !== 'EADDRINUSE' || attempt + 1 >= TEMPORARY_NAME_TRIES) throw systemCallError('bind', errno, `listen on ${path}`, { path });
  }
}

/** `struct sockaddr_un`: family, then the path with its closing zero. */
function socketAddress(path: string): Uint8Array {
  const name = Buffer.from(path);
  const address = Buffer.alloc(2 + name.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  return address;
}

/** chmod of exactly the file that is at `path`, never through a symlink that somebody put there meanwhile. */
function changeMode(path: string, mode: number): void {
  const descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    chmodSync(`/proc/self/fd/${descriptor}`, mode);
  } catch (error) {
    if (hasCode(error, 'ENOENT'))
      throw new BureauError('proc_missing', 'Could not reach /proc/self/fd: mount /proc first.', { cause: error });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
