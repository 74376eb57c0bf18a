// SPDX-License-Identifier: Apache-2.0

/**
 * Puts an operator's terminal back after it showed a payload: every mode that the sanitizer lets through and that changes what the terminal
 * types or shows is set to its default, without moving the cursor. For the end of an observation, however it ends.
 */
export const terminalResetSequence: string = [
  '\u000f\u001b(B', // G0, and ASCII in it
  '\u001b[?9;1000;1002;1003;1004;1005;1006;1015;1016l', // mouse and focus reports
  '\u001b[?2004;2026l', // bracketed paste, synchronised output
  '\u001b[?47;1047l', // alternate screen (1049 would also move the cursor)
  '\u001b[!p', // soft reset: origin, insert, margins, keypad, colours
  '\u001b[?1;5;45;66;69l', // cursor keys, reverse video, reverse wrap, keypad, left and right margins
  '\u001b[?7;8;25;1007h', // wrap, key repeat, cursor shown, wheel as arrows
  '\u001b[4l\u001b>', // insert, keypad, for terminals without the soft reset
  '\u001b7\u001b[r\u001b8', // scroll region
  '\u001b[0 q\u001b[m', // cursor shape, colours
].join('');
