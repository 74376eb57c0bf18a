// SPDX-License-Identifier: Apache-2.0

/** Control and format characters (bidirectional ones among them), line and paragraph separators, halves of pairs; not tab and newline. */
const UNSEEN = /(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * A text from elsewhere (an event of a room, what bubblewrap or an agent said) as statuses and plans may carry it: what cannot be seen is
 * shown as `?`, cut to `longest` UTF-16 units. Without this one assignment with an escape in it makes the whole machine's status unreadable.
 */
export function plainText(text: string, longest: number): string {
  return text.slice(0, longest).replaceAll(UNSEEN, '?');
}
