// SPDX-License-Identifier: Apache-2.0

/** Bytes of a template with its comments; what goes into a room is less. */
export const SOURCE_MAX_BYTES = 256 * 1024;
/** Bytes of a template as an event's content: a homeserver takes 65,536 with all around it. */
export const TEMPLATE_MAX_BYTES = 60_000;
/** One read of a URL, redirects included. */
export const SOURCE_MILLISECONDS = 20_000;
/** Servers that one URL may lead over. */
export const REDIRECTS_MAX = 3;
/** Events of one template that `history` shows at most, and how many of a room it looks through for them. */
export const HISTORY_MAX = 200;
export const HISTORY_PAGES_MAX = 50;
