// SPDX-License-Identifier: Apache-2.0
/**
 * The few Linux calls that Node lacks, each as a small typed function. x86_64 and arm64, glibc. Nothing is loaded before the first call.
 * A call that the kernel refuses throws a BureauError `system_call_failed` whose `data` has `call` and `errno` (`EPERM`, …).
 *
 * @example
 * ```ts
 * import { createServer } from 'node:net';
 * import { listenUnix, peerCredentials } from '@bureau/native';
 *
 * const fd = listenUnix('/run/bureau/.sys/launcher.sock', { mode: 0o666 });
 * createServer((socket) => console.log(peerCredentials(socket).uid)).listen({ fd });
 * ```
 */
export { peerCredentials, readPeerOfFd } from './peer-credentials.ts';
export type { PeerCredentials } from './peer-credentials.ts';
export { listenNameless } from './listen-nameless.ts';
export { listenUnix } from './listen-unix.ts';
export type { ListenUnixOptions } from './listen-unix.ts';
export { closeOnExecFrom } from './close-on-exec.ts';
export { tryLockFile } from './lock-file.ts';
export { disableCoreDumps, setChildSubreaper, setDumpable, setNoNewPrivileges, setParentDeathSignal } from './process-attributes.ts';
export { lockMemory } from './lock-memory.ts';
export { openatNoSymlinks } from './open-no-symlinks.ts';
export type { OpenNoSymlinksOptions } from './open-no-symlinks.ts';
export { writeAll } from './write-all.ts';
export { reapChild } from './reap-child.ts';
export { receiveBytes, receiveDescriptors, sendDescriptors } from './pass-descriptors.ts';
export type { PassedMessage } from './pass-descriptors.ts';
export { replaceDescriptor } from './replace-descriptor.ts';
export { clearInheritableCapabilities } from './inheritable-capabilities.ts';
export { openSocketPair } from './open-socket-pair.ts';
export { setTerminalSize } from './terminal-size.ts';
export { openPipe } from './open-pipe.ts';
export type { PipeEnds } from './open-pipe.ts';
export { SOCKET_PATH_MAX_BYTES, WRITE_STALL_MILLISECONDS } from './limits.ts';
export { takeThreadUid } from './thread-uid.ts';
