// SPDX-License-Identifier: Apache-2.0
/**
 * Which control sequences may reach an operator's terminal: a list of what is known to be harmless; everything else is dropped.
 * Source of names and numbers: xterm's ctlseqs, ECMA-48, DEC STD 070.
 */

/** Finals of plain `CSI … F`: cursor moves, erase, insert and delete, scroll, tabs, SGR, margins, save and restore of the cursor. */
const PLAIN_FINALS = new Set('@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu');

/**
 * DEC private modes: cursor keys, reverse video, origin, wrap, repeat, mouse (9, 1000–1016 but not 1001, which stops a terminal until it
 * is answered), cursor look, alternate screens, keypad, margins, focus, bracketed paste, synchronised output, graphemes.
 * Not here: 2 (VT52 has other rules), 3 (resizes the window), 1034 (8-bit input), 2031 and 2048 (the terminal types reports by itself).
 */
const PRIVATE_MODES = new Set([
  1, 5, 6, 7, 8, 9, 12, 25, 45, 47, 66, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1047, 1048, 1049, 2004, 2026, 2027,
]);

/** ANSI modes: insert. Not here: 2 (locks the keyboard), 20 (changes what Enter types). */
const ANSI_MODES = new Set([4]);

/** Finals of `ESC F`: save and restore of the cursor, index, next line, tab stop, reverse index, keypad, full reset. */
const ESCAPE_FINALS = new Set('78DEHM=>c');

/** `ESC ( F` and its kin: G0–G3 get a character set (line drawing). Never `ESC %`, which leaves UTF-8, and `ESC SP`, which asks for 8-bit controls. */
const CHARSET_INTERMEDIATES = new Set('()*+');

/** The body of a control sequence (after `ESC [`, final included) as it may be shown, or null. */
export function keptControlSequence(body: string): string | null {
  const parts = /^([<=>?]?)([0-9:;]*)([ -/]*)([@-~])$/.exec(body);
  if (parts === null) return null;
  const [, prefix = '', parameters = '', intermediates = '', final = ''] = parts;
  if (prefix === '' && intermediates === '') {
    if (final === 'h' || final === 'l') return keptModes('', parameters, final, ANSI_MODES);
    // More than one parameter makes `T` the start of highlight tracking.
    if (final === 'T' && parameters.includes(';')) return null;
    return PLAIN_FINALS.has(final) ? body : null;
  }
  if (prefix === '?' && intermediates === '') {
    if (final === 'h' || final === 'l') return keptModes('?', parameters, final, PRIVATE_MODES);
    return final === 'J' || final === 'K' ? body : null;
  }
  // Cursor shape, and the soft reset.
  if (prefix === '' && intermediates === ' ' && final === 'q') return body;
  if (prefix === '' && intermediates === '!' && final === 'p') return body;
  return null;
}

/** Whether an escape sequence of these intermediates and this final may be shown. */
export function keepEscape(intermediates: string, final: string): boolean {
  if (intermediates === '') return ESCAPE_FINALS.has(final);
  return intermediates.length === 1 && CHARSET_INTERMEDIATES.has(intermediates);
}

function keptModes(prefix: string, parameters: string, final: string, allowed: ReadonlySet<number>): string | null {
  const modes = parameters.split(';').filter((mode) => /^[0-9]{1,5}$/.test(mode) && allowed.has(Number(mode)));
  return modes.length === 0 ? null : `${prefix}${modes.join(';')}${final}`;
}
