// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { libc } from './libc.ts';
import { LISTEN_BACKLOG } from './limits.ts';
import { checked } from './system-call-error.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** Nothing but the family: the kernel chooses an abstract name (`unix(7)`, autobind). */
const NAMELESS = Uint8Array.of(AF_UNIX, 0);

/**
 * A listening Unix socket without a file, under a name that the kernel chooses in this network namespace; for a server that nobody is
 * meant to find. The descriptor (close-on-exec, non-blocking) is the caller's. Throws `system_call_failed`.
 */
export function listenNameless(): number {
  const fd = checked(libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 'socket', 'make a socket');
  try {
    checked(libc().bind(fd, NAMELESS, NAMELESS.length), 'bind', 'give a socket a name');
    checked(libc().listen(fd, LISTEN_BACKLOG), 'listen', 'listen on a socket');
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
