// SPDX-License-Identifier: Apache-2.0

/** Past output that the relay keeps for whoever joins: about 10,000 lines, and small beside a payload. */
export const RING_BYTES = 1024 * 1024;
/** An `observe` observer that is this far behind loses the oldest part: three screens of a fast build, no more memory than the ring. */
export const OBSERVER_QUEUE_BYTES = 1024 * 1024;
/** The payload is paused when the `control` observer is this far behind: enough to keep a Unix socket busy. */
export const CONTROL_HIGH_WATER_BYTES = 256 * 1024;
/** … and goes on when no more than this is left. */
export const CONTROL_LOW_WATER_BYTES = 64 * 1024;
/** Observers of one payload: people and their tools; each may cost `OBSERVER_QUEUE_BYTES`. */
export const OBSERVERS_MAX = 64;
/** The output log is cut when it grows over this … */
export const LOG_MAX_BYTES = 8 * 1024 * 1024;
/** … down to its newest bytes: half, so that a cut comes at most every 4 MiB of output. */
export const LOG_KEEP_BYTES = 4 * 1024 * 1024;
/** Input of all callers that waits for the payload to read; 16 full writes. */
export const INPUT_WAITING_BYTES = 1024 * 1024;
/** First pause before a full PTY is tried again (the kernel gives no readiness for a master that Node can wait on) … */
export const PTY_RETRY_FIRST_MILLISECONDS = 1;
/** … doubled up to this: what a person does not feel and a blocked payload does not cost. */
export const PTY_RETRY_MOST_MILLISECONDS = 32;
/** How long a payload with `holdForObserver` waits for its first `control` observer after "go". */
export const HOLD_MILLISECONDS = 30_000;
/** After bwrap's end the rest of the output is in kernel buffers: reading it takes milliseconds. */
export const DRAIN_MILLISECONDS = 5_000;
/** After the payload's end an observer may take this long between two chunks before it is cut off. */
export const FINISH_MILLISECONDS = 5_000;
/** … and all of them together this long. */
export const FINISH_TOTAL_MILLISECONDS = 60_000;
/** Grace of a payload when the relay itself is told to end (SIGTERM). */
export const SIGTERM_GRACE_MILLISECONDS = 10_000;
/** From SIGKILL of the sandbox's init to bwrap's end; then bwrap itself is killed. */
export const KILL_MILLISECONDS = 2_000;
/** Most bytes of one configuration frame: arguments (4,096 of up to 128 KiB are refused long before) and the filter. */
export const CONFIG_MAX_BYTES = 4 * 1024 * 1024;
/** What is kept of bwrap's own words for a failure report. */
export const FAILURE_TAIL_BYTES = 2_000;
/** Longest control sequence that the sanitizer holds back; the longest honest one (SGR with many colours) is near 100 bytes. */
export const SEQUENCE_MAX_BYTES = 256;
/** Longest string (DCS, APC, …) that is swallowed while it is not ended; larger pictures show as text. */
export const STRING_MAX_BYTES = 1024 * 1024;
/** Between two looks at whether a killed init is gone: the kernel needs one or two of these. */
export const GONE_CHECK_MILLISECONDS = 2;
/** After a stop an observer may take this long between two chunks: the launcher kills a relay 3 s after the payload's grace. */
export const FINISH_STOPPED_MILLISECONDS = 1_500;
/** What is read of an agent's answer to a health probe: a status line, or a line of JSON with a reason. */
export const HEALTH_ANSWER_MAX_BYTES = 4_096;
/** Probes of one payload that are under way; the daemon makes one at a time. */
export const HEALTH_PROBES_MAX = 4;
/** Between two looks for the sandbox's own file systems after the command was released; bubblewrap mounts them in 5 ms. */
export const SCRATCH_LOOK_MILLISECONDS = 20;
/** Looks for them before the relay gives up: they are there by then or never. */
export const SCRATCH_LOOKS = 50;
