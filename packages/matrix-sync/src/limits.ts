// SPDX-License-Identifier: Apache-2.0

/** How long the homeserver may keep a sync open that has no news. */
export const POLL_MILLISECONDS = 30_000;
/** After it a sync is given up: its longest silence, and as much again for a homeserver that is slow with a long answer. */
export const POLL_DEADLINE_MILLISECONDS = 100_000;
/** Any other request. */
export const REQUEST_DEADLINE_MILLISECONDS = 30_000;
/** Longest body of any answer: 30,000 events are 11 MB. More is no answer of a homeserver to one machine, and would fill the memory. */
export const ANSWER_MAX_BYTES = 64 * 1024 * 1024;
/** Longest event that Matrix knows. */
export const EVENT_MAX_BYTES = 65_536;
/** Longest type, state key, user ID and event ID of Matrix. */
export const IDENTIFIER_MAX_BYTES = 255;
/** State events that are kept in all; what is above it is refused. A machine follows 2,000 assignments, of three events each at most. */
export const STATE_EVENTS_MAX = 100_000;
/** First pause after a sync that failed, doubled at each that fails in a row. */
export const RETRY_FIRST_MILLISECONDS = 250;
/** Longest of these pauses: so long may it take to notice that the homeserver is back. */
export const RETRY_MAX_MILLISECONDS = 10_000;
/** Longest pause that a homeserver may ask for; more would let one answer silence the machine. */
export const RATE_LIMIT_MAX_MILLISECONDS = 120_000;
/** Events of a timeline in one sync; more make a gap, which is fetched. */
export const TIMELINE_EVENTS_MAX = 50;
/** Events that are fetched of one gap; the older ones are given up, and it is said so. */
export const GAP_EVENTS_MAX = 1_000;
/** Refused events that are kept for whoever looks. */
export const REFUSED_KEPT = 100;
/** Invitations that are answered of one sync; the others stay unanswered. */
export const INVITATIONS_MAX = 20;
/** Event ids that are remembered after another event took their place: so old an answer may be and still be noticed. */
export const REPLACED_KEPT = 10_000;
/** Changes of a room that are kept beside its whole state before both become one. */
export const CHANGES_BEFORE_FOLD = 256;
/** Tasks that wait for one room. */
export const ROOM_QUEUE_MAX = 1_000;
/** Messages that wait to be sent. */
export const OUTBOX_MAX = 1_000;
/** Messages that are known to have been sent, so that the same one is not sent again. */
export const SENT_KEPT = 10_000;
