// SPDX-License-Identifier: Apache-2.0

/** uids of the default instance start here: above people (1000…), below what containers take (524288…). */
export const UID_BASE_FIRST = 200_000;
/** uids of one instance; the next one starts this much higher. */
export const UID_RANGE = 65_536;
/** Offset of principal 0 in an instance's range; what is below belongs to our own processes. */
export const UID_PRINCIPALS_OFFSET = 16;
/** Highest number of a principal: two uids each, inside one range (protocol's `principalNumber`). */
export const PRINCIPAL_NUMBER_MAX = 32_000;
/** Most ranges that one machine records; keeps every uid far below 2^31. */
export const INSTANCES_MAX = 1_000;
/** Bytes of /etc/bureau/uids: a line per instance is under 30 bytes. */
export const UIDS_FILE_MAX_BYTES = 64 * 1024;
/** Bytes of /etc/passwd, /etc/group, /etc/subuid, /etc/subgid that are looked at; larger machines use a directory service. */
export const ACCOUNTS_FILE_MAX_BYTES = 16 * 1024 * 1024;
/** Bytes of the file of principals' numbers: 32,000 names of 80 bytes and their numbers. */
export const NUMBERS_FILE_MAX_BYTES = 4 * 1024 * 1024;
/** Bytes of instance.json and machine.json. */
export const SETTINGS_FILE_MAX_BYTES = 64 * 1024;
/** Milliseconds to wait for another process that holds the lock on the uid ranges: it needs a few. */
export const UIDS_LOCK_WAIT = 5_000;
/** Milliseconds between two looks at that lock. */
export const UIDS_LOCK_INTERVAL = 20;
/** Bytes of a Unix socket's path on Linux (108 with the NUL). */
export const SOCKET_PATH_MAX_BYTES = 107;
/** Relays, and proxies, that wait unless the settings say otherwise: a person starts one agent at a time, and a second soon after. */
export const WARM_PROCESSES_DEFAULT = 2;
/** Most of each kind: about 2 GB of memory at rest. */
export const WARM_PROCESSES_MAX = 64;
