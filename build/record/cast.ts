// SPDX-License-Identifier: Apache-2.0

/** What came to the screen, and when: seconds since the beginning. */
export interface ScreenEvent {
  readonly seconds: number;
  readonly text: string;
}

/** What must not be in a recording, and what stands there instead. */
export interface Place {
  readonly checkout: string;
  readonly host: string;
}

/** A longer pause is shown as this: waiting for Synapse is no film. */
const IDLE_SECONDS = 2;

/** Returns the events without this machine: its path and its name replaced, also where they came in pieces. */
export function withoutMachine(events: readonly ScreenEvent[], place: Place): ScreenEvent[] {
  const host = new RegExp(`(?<![\\w.-])${escapeRegExp(place.host)}(?![\\w-])`, 'g');
  const clean = (text: string): string => text.replaceAll(place.checkout, '~/bureau').replace(host, 'host');
  const shown: ScreenEvent[] = [];
  let held = '';
  for (const { seconds, text } of events) {
    const all = held + text;
    const keep = heldBack(all, [place.checkout, place.host]);
    held = all.slice(all.length - keep);
    if (keep < all.length) shown.push({ seconds, text: clean(all.slice(0, all.length - keep)) });
  }
  const last = events.at(-1);
  return held === '' || last === undefined ? shown : [...shown, { seconds: last.seconds, text: clean(held) }];
}

/** How many characters at the end of a text may be the beginning of a needle. */
function heldBack(text: string, needles: readonly string[]): number {
  const lengths = needles.map((needle) => {
    for (let length = needle.length; length > 0; length -= 1) if (text.endsWith(needle.slice(0, length))) return length;
    return 0;
  });
  return Math.max(...lengths);
}

/** The text of an asciicast file, version 2: a header and an event a line. */
export function castText(events: readonly ScreenEvent[], size: { readonly columns: number; readonly rows: number }, title: string): string {
  const header = {
    version: 2,
    width: size.columns,
    height: size.rows,
    title,
    idle_time_limit: IDLE_SECONDS,
    env: { TERM: 'xterm-256color' },
  };
  const lines = events.map(({ seconds, text }) => JSON.stringify([Number(seconds.toFixed(3)), 'o', text]));
  return `${[JSON.stringify(header), ...lines].join('\n')}\n`;
}

/** What a person would have read: without colours and cursor movements, a line that was written over as it was last. */
export function plainText(events: readonly ScreenEvent[]): string {
  const text = events
    .map((event) => event.text)
    .join('')
    // Operating system commands, control sequences, other escapes.
    .replaceAll(/\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g, '')
    .replaceAll(/\u001b\[[0-?]*[ -/]*[@-~]/g, '')
    .replaceAll(/\u001b[ -/]*[0-~]/g, '')
    .replaceAll('\r\n', '\n');
  const lines = text
    .split('\n')
    .map((line) =>
      (line.split('\r').findLast((part) => part !== '') ?? '').replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '').trimEnd(),
    );
  return `${lines.join('\n').trim()}\n`;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
