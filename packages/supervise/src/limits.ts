// SPDX-License-Identifier: Apache-2.0

/** A process that is not ready by then is stopped: Synapse's first start with a fresh database takes up to 10 s on a loaded machine. */
export const READY_MILLISECONDS = 60_000;
/** TERM before KILL for our own services; each of them ends in well under a second. */
export const STOP_GRACE_MILLISECONDS = 10_000;
/** First pause before a service that ended by itself is started again. */
export const RESTART_PAUSE_FIRST = 100;
/** Longest pause between two starts of a service that keeps ending. */
export const RESTART_PAUSE_LONGEST = 10_000;
/** A service that ran this long is healthy again: its pause starts from the first. */
export const RESTART_FORGET_AFTER = 30_000;
/** Pause between two attempts to reach a port that is not open yet. */
export const PORT_PROBE_PAUSE = 50;
/** Between two looks at the sizes of logs: a process that does nothing but write lines fills a few hundred megabytes meanwhile. */
export const LOG_LOOK_MILLISECONDS = 30_000;
/** What a status tells of the last end; `serviceStatus.lastExit` takes no more. */
export const LAST_EXIT_CHARACTERS = 200;
/** Room of a run directory in memory: sockets, copies of /etc and secrets of some hundred principals are a few MiB. */
export const RUN_DIRECTORY_BYTES = 128 * 1024 * 1024;
