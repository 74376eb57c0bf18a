// SPDX-License-Identifier: Apache-2.0

/** What fits `sun_path` of `struct sockaddr_un` (108 bytes) with its closing zero. */
export const SOCKET_PATH_MAX_BYTES = 107;
/** Connections that wait for accept; the kernel caps it at net.core.somaxconn (4096 by default). */
export const LISTEN_BACKLOG = 511;
/** A reader that takes nothing for this long is taken for dead by `writeAll`. It blocks the event loop, so it is short. */
export const WRITE_STALL_MILLISECONDS = 1_000;
/** Names tried for a temporary file beside the wanted one; each has 36^6 possibilities, so the second try is already odd. */
export const TEMPORARY_NAME_TRIES = 8;
/** Most descriptors in one message of a Unix socket (SCM_MAX_FD of the kernel). */
export const PASSED_DESCRIPTORS_MAX = 253;
