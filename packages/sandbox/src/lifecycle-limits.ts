// SPDX-License-Identifier: Apache-2.0

/** A relay that has not brought bwrap to the command by then is given up: bwrap needs 5 ms, a loaded machine a few hundred. */
export const RELAY_START_MILLISECONDS = 20_000;
/** A relay that has taken over by then serves whoever connects, or has ended: its own start takes 10 ms. A create is answered then in any case. */
export const RELAY_SERVES_MILLISECONDS = 5_000;
/** Added to the payload's grace before the launcher itself kills: the relay answers within this when it is well. */
export const RELAY_STOP_MARGIN = 3_000;
/** A call to the service manager or to a proxy's admin socket. */
export const NEIGHBOUR_CALL_MILLISECONDS = 30_000;
/** Between two tries to reach a service manager that went away: script/up starts another within seconds. */
export const STAND_PAUSE = 500;
/** After "go" of the last start, before what a payload does not wait for: bubblewrap needs as long to the first output. */
export const QUIET_MILLISECONDS = 12;
/** … but never later than this, however many are started meanwhile. */
export const QUIET_LATEST_MILLISECONDS = 2_000;
/** First pause before a lost proxy is started again; doubles up to the longest. */
export const PROXY_PAUSE_FIRST = 50;
/** Longest pause between two starts of a proxy that keeps ending. */
export const PROXY_PAUSE_LONGEST = 5_000;
/** A proxy that served this long was healthy: the next pause starts from the first. */
export const PROXY_FORGET_AFTER = 30_000;
/** A relay's report on its pipe is a few bytes; a longer one is not from our relay. */
export const REPORT_MAX_BYTES = 16 * 1024;
/** An exit report in a file. */
export const EXIT_FILE_MAX_BYTES = 4_096;
/** What the launcher keeps of one sandbox in a file; the spec is not in it. */
export const RECORD_MAX_BYTES = 64 * 1024;
