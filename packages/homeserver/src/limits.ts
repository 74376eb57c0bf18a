// SPDX-License-Identifier: Apache-2.0

/** How long a start may take. Measured 1.1–3.1 s on two shared cores; a loaded machine or a schema update takes longer. */
export const READY_DEADLINE_MS = 60_000;
/** Pause between two readiness probes: start-up takes about a second, so a tenth of it costs nothing. */
export const READY_POLL_MS = 100;
/** One readiness probe; a server that is stopped accepts connections and says nothing. */
export const PROBE_DEADLINE_MS = 2_000;
/** One request of the first set-up; registering hashes a password with bcrypt, a quarter of a second. */
export const REQUEST_DEADLINE_MS = 30_000;
/** Bytes of one answer; the largest expected is below 2 KiB. */
export const RESPONSE_MAX_BYTES = 64 * 1024;
/** Bytes of each small file that we keep beside the configuration. */
export const SMALL_FILE_MAX_BYTES = 64 * 1024;
/** Random bytes of each secret; written as twice as many hexadecimal digits (64: the most that a registration token may have). */
export const SECRET_BYTES = 32;
/** URIs of TURN servers: a client tries each, so that many only slow it down. */
export const TURN_URIS_MAX = 8;
/** Ports of homeservers beside the first: above those that have names. */
export const PORT_FIRST = 20_000;
/** Where the kernel's own begin (`net.ipv4.ip_local_port_range`, unless somebody changed it). */
export const EPHEMERAL_FIRST = 32_768;
/** Ports that are looked at for a free one; a machine on which so many are taken has another trouble. */
export const PORT_TRIES = 100;
