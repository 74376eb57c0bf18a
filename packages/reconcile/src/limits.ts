// SPDX-License-Identifier: Apache-2.0

/** Most assignments that one machine follows; more is a mistake in the room, and the rest is reported as blocked. */
export const ASSIGNMENTS_MAX = 2_000;
/** First pause before a payload that ended is started again. */
export const BACK_OFF_FIRST = 1_000;
/** Longest pause before a payload that keeps ending is started again. */
export const BACK_OFF_LONGEST = 60_000;
/** A payload that ran this long is healthy: its pause starts over. */
export const BACK_OFF_FORGET_AFTER = 60_000;
/** TERM before KILL for a payload. */
export const STOP_GRACE_MILLISECONDS = 5_000;
/** A create includes the start of a proxy; a loaded machine takes seconds. */
export const CREATE_MILLISECONDS = 60_000;
/** Pause before an action that failed is tried again. */
export const ACTION_RETRY_MILLISECONDS = 5_000;
/** Pause before the launcher is tried again after it went away. */
export const LAUNCHER_RETRY_MILLISECONDS = 250;
/** Least time between two events of the machine's own status: a burst of changes is one event. */
export const STATUS_PAUSE_MILLISECONDS = 5_000;
/** Pause before a status event that was not taken is sent again. */
export const STATUS_RETRY_MILLISECONDS = 3_000;
/** A call to a relay on behalf of an observer. */
export const RELAY_CALL_MILLISECONDS = 10_000;
/** Longest message of a status; `principalStatus.message` takes no more. */
export const MESSAGE_MAX = 1_000;
/** Longest reason of a planned action; `plannedAction.reason` takes no more. */
export const REASON_MAX = 500;
/** A payload may leave its stdin unread for as long as it likes: a day is the longest that a call may take. */
export const INPUT_MILLISECONDS = 86_400_000;
/** Longest pause before an action that keeps failing is tried again. */
export const ACTION_RETRY_LONGEST_MILLISECONDS = 60_000;
/** Failures of one action in a row that people are told of: what passes within half a minute is not their business. */
export const FAILURES_TOLD = 3;
/** Ends in a row, each soon after its start, before a principal is left alone; with the back-off between them about five minutes. */
export const QUARANTINE_EXITS = 10;
/** With guarded updates: up this long, a new sandbox counts as good. */
export const GUARDED_SETTLE_MILLISECONDS = 10_000;
/** Who has not answered well yet is asked this often, or by its own interval if that is shorter. */
export const HEALTH_FIRST_MILLISECONDS = 1_000;
/** Agents that are asked how they are at the same time: each is a connection to a relay. */
export const HEALTH_PROBES_SIDE_BY_SIDE = 16;
/** What a relay gets beyond the time that its agent has to answer. */
export const HEALTH_PROBE_MARGIN_MILLISECONDS = 5_000;
/** Actions that are carried out side by side: the launcher and the service manager start processes for each. */
export const EXECUTORS_MAX = 32;
/** What people are told must hold this long: a first sync brings rooms one after the other. */
export const NOTICE_PAUSE_MILLISECONDS = 3_000;
/** Names of principals in one message. */
export const NOTICE_NAMES_MAX = 20;
/** A status is published when it has not changed for this long: what passes through three states is one event. */
export const STATUS_SETTLE_MILLISECONDS = 1_000;
/** A status that keeps changing is published this often. */
export const STATUS_LATEST_MILLISECONDS = 10_000;
/** Status events that may be sent at once, and how many a second from then on: a homeserver lets one account send about ten a second. */
export const STATUS_BURST = 20;
export const STATUS_PER_SECOND = 5;
/** A status that was sent and that the sync has not brought after this long is sent once more. */
export const STATUS_ECHO_MILLISECONDS = 300_000;
/** Sandboxes of a revoked machine that are ended side by side. */
export const REVOKED_SIDE_BY_SIDE = 16;
/** Pause before a revoked machine tries again what did not succeed. */
export const REVOKED_RETRY_MILLISECONDS = 500;
