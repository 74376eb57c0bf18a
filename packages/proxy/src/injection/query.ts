// SPDX-License-Identifier: Apache-2.0

/**
 * A query without the parameters of these names (in lower case), however they are spelled: what is left is kept byte for byte. `undefined` when a `;`
 * would make some servers read one of them out of what is left.
 */
export function queryWithout(query: string, names: ReadonlySet<string>): string | undefined {
  if (query === '') return '';
  const kept = query.split('&').filter((part) => !names.has(nameOf(part)));
  const hidden = kept.some((part) => part.includes(';') && part.split(';').some((piece) => names.has(nameOf(piece))));
  return hidden ? undefined : kept.join('&');
}

/** The name of a parameter as a lenient server reads it: `+` is a space, an escape its byte, `a[]` is `a`, spaces at its ends nothing. */
function nameOf(part: string): string {
  const name = (part.split('=', 1)[0] ?? '').replaceAll('+', ' ');
  const decoded = name.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decoded.replace(/\[.*$/, '').trim().toLowerCase();
}
