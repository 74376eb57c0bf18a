// SPDX-License-Identifier: Apache-2.0

/** A command that is older is not carried out: whoever sent it does not expect it any more. A restart of the machine fits in. */
export const COMMAND_AGE_MAX = 900_000;
/** A clock may be ahead by this much; a command from further in the future could wait for its hour. */
export const COMMAND_AHEAD_MAX = 300_000;
/** Commands of one sender within `RATE_WINDOW`; an operator at a keyboard is far below it. */
export const RATE_MAX = 20;
export const RATE_WINDOW = 60_000;
/** Senders whose rate is kept; only members with a level can send, and they are few. */
export const SENDERS_MAX = 200;
/** Commands that wait to be carried out; above it they are refused, and told so. */
export const WAITING_MAX = 50;
/** Longest that one may take. */
export const COMMAND_MILLISECONDS = 60_000;
/** Pause before the homeserver is asked once more for a sender's rights. */
export const RIGHTS_RETRY_MILLISECONDS = 2_000;
/** Commands that are remembered, so that none is carried out twice. */
export const LEDGER_MAX = 5_000;
/** Longest answer as text; `commandResultContent.body` takes no more. */
export const BODY_MAX = 8_000;
/** Longest answer as JSON; an event carries 65,536 bytes with all around it. */
export const RESULT_MAX_BYTES = 40_000;
