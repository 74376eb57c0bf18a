// SPDX-License-Identifier: Apache-2.0

/** One request, its retries after 429 included. Registration hashes a password (a quarter of a second); a stopped server says nothing. */
export const REQUEST_DEADLINE_MS = 30_000;
/** What a `/sync` may take beyond the time that it was told to wait. */
export const SYNC_MARGIN_MS = 15_000;
/** Bytes of one answer: the state of a large room or a first sync; a server must not fill our memory. */
export const RESPONSE_MAX_BYTES = 32 * 1024 * 1024;
/** Bytes of one request: an event may have 65,536, the rest is room for `createRoom`. */
export const REQUEST_MAX_BYTES = 256 * 1024;
/** Characters of a server's error text that we pass on. */
export const ERROR_TEXT_MAX = 300;
/** Wait after a 429 that does not say how long. */
export const RETRY_DEFAULT_MS = 1_000;
/** Stages of one interactive authentication: a server that always asks for one more must not hold us. */
export const AUTHENTICATION_STAGES_MAX = 5;
/** Bytes of a credential file. */
export const CREDENTIAL_FILE_MAX_BYTES = 256 * 1024;
/** Random bytes of an account's password. */
export const PASSWORD_BYTES = 32;
/** What one `/sync` of a follower waits for news: below what proxies take for a dead connection. */
export const FOLLOW_POLL_MS = 30_000;
/** The first wait after a failed sync; each further one is twice as long. */
export const FOLLOW_RETRY_FIRST_MS = 1_000;
/** The longest wait between two tries: a homeserver that comes back is found within it. */
export const FOLLOW_RETRY_MAX_MS = 30_000;
/** Events that a follower fetches after an interruption; more scroll past whoever looks. */
export const FOLLOW_GAP_MAX = 1_000;
/** Events of one page while a gap is filled. */
export const FOLLOW_PAGE = 100;
