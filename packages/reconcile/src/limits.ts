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
/** Least time between two status events: a burst of changes is one event. */
export const STATUS_PAUSE_MILLISECONDS = 500;
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
