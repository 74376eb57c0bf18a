// SPDX-License-Identifier: Apache-2.0

/**
 * A text from elsewhere (an event of a room, what bubblewrap said) as statuses and plans may carry it: control characters shown as
 * `?`, cut to `longest` UTF-16 units. Without this one assignment with an escape in it makes the whole machine's status unreadable.
 */
export function plainText(text: string, longest: number): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not get through
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '?').slice(0, longest);
}
