// SPDX-License-Identifier: Apache-2.0

/** What drives a terminal, breaks a line, or turns the reading direction: C0, DEL, C1, line separators, bidirectional controls. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text that others wrote, on one line and without effect on a terminal: what is not printable appears as `\n` or `\u001b`. Pure. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => NAMED[character] ?? escaped(character));
}

/** JSON for a person's terminal: valid JSON, with everything unprintable in its strings escaped. Pure. */
export function printableJson(value: unknown, indent = 0): string {
  // JSON's own newlines stand between values; those in strings are escaped by then.
  return JSON.stringify(value, null, indent).replaceAll(UNPRINTABLE, (character) => (character === '\n' ? character : escaped(character)));
}

/** At most `longest` characters of a printable text, with `…` where something is missing. Pure. */
export function shortened(text: string, longest: number): string {
  const characters = charactersOf(text);
  return characters.length <= longest ? text : `${characters.slice(0, longest - 1).join('')}…`;
}

/** What a reader takes for one character: an emoji with its modifiers is one. Pure. */
export function charactersOf(text: string): string[] {
  return Array.from(new Intl.Segmenter('en').segment(text), ({ segment }) => segment);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
