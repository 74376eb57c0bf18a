// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SEQUENCE_MAX_BYTES, STRING_MAX_BYTES } from './limits.ts';
import { TerminalSanitizer } from './sanitize.ts';
import { terminalResetSequence } from './terminal-reset.ts';

function sanitize(...pieces: readonly Uint8Array[]): Buffer {
  const sanitizer = new TerminalSanitizer();
  return Buffer.concat([...pieces.map((piece) => Buffer.from(sanitizer.push(piece))), sanitizer.end()]);
}
/** Bytes as Latin-1, so that `\x9b` is one byte. */
const raw = (value: string): Buffer => Buffer.from(value, 'latin1');
const shown = (value: string): string => sanitize(raw(value)).toString('latin1');

const KEPT: Record<string, string> = {
  'plain text': 'hello\r\n\tworld\x07\x08',
  colours: '\x1b[0m\x1b[1;31mred\x1b[38;2;1;2;3m\x1b[4:3m',
  'cursor moves and erase': '\x1b[H\x1b[2J\x1b[10;20H\x1b[A\x1b[3B\x1b[K\x1b[?J',
  'alternate screen and cursor': '\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l',
  'mouse and paste': '\x1b[?1000;1006h\x1b[?2004h',
  'scroll region, insert, tabs': '\x1b[2;10r\x1b[4h\x1b[4l\x1b[3L\x1b[g\x1bH',
  'cursor save, keypad, reset': '\x1b7\x1b8\x1b=\x1b>\x1bM\x1bD\x1bE\x1bc',
  'line drawing': '\x1b(0lqqk\x1b(B\x0e\x0f',
  'cursor shape and soft reset': '\x1b[5 q\x1b[!p',
};
for (const [name, bytes] of Object.entries(KEPT)) {
  test(`TerminalSanitizer keeps ${name}`, () => assert.equal(shown(bytes), bytes));
}

const DROPPED: Record<string, string> = {
  'OSC 52, BEL': '\x1b]52;c;aGk=\x07',
  'OSC 52, ST': '\x1b]52;c;aGk=\x1b\\',
  'OSC 52, 8-bit ST': '\x1b]52;c;aGk=\x9c',
  'OSC 52 query': '\x1b]52;c;?\x07',
  'OSC title': '\x1b]0;rm -rf\x07\x1b]2;x\x1b\\',
  'OSC colour query': '\x1b]4;1;?\x07\x1b]10;?\x07\x1b]11;?\x1b\\',
  'OSC hyperlink': '\x1b]8;;http://x\x1b\\\x1b]8;;\x1b\\',
  'OSC notification and file transfer': '\x1b]9;hi\x07\x1b]1337;File=:AA\x07\x1b]777;notify;a;b\x07',
  'DCS, DECRQSS, XTGETTCAP, tmux wrapping': '\x1bP$qm\x1b\\\x1bP+q544e\x1b\\\x1bPtmux;x\x1b\\',
  'APC, PM, SOS': '\x1b_Gi=1;AA\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\',
  'screen title': '\x1bktitle\x1b\\',
  'DA1, DA2, DA3': '\x1b[c\x1b[0c\x1b[>c\x1b[>0c\x1b[=c\x1b[=0c',
  'DSR, CPR': '\x1b[5n\x1b[6n\x1b[?6n\x1b[?996n',
  XTVERSION: '\x1b[>q\x1b[>0q',
  DECRQM: '\x1b[?2026$p\x1b[4$p',
  'kitty keyboard': '\x1b[?u\x1b[>1u\x1b[<u\x1b[=1;1u',
  'window operations': '\x1b[21t\x1b[18t\x1b[8;10;10t\x1b[22;0;0t',
  DECREQTPARM: '\x1b[x\x1b[0x',
  'checksum and reports': '\x1b[1;1;1;1;1;1*y\x1b[1$w\x1b[2$w\x1b[1$u\x1b[?4m\x1b[?1;1;0S',
  'ENQ and other silent controls': '\x05\x00\x01\x11\x13\x1a\x18\x7f',
  'media copy': '\x1b[i\x1b[5i\x1b[?4i',
  'identify, 8-bit mode, leaving UTF-8': '\x1bZ\x1b G\x1b%@\x1b%G\x1b#8',
  'modes that type or lock': '\x1b[2h\x1b[20h\x1b[?2l\x1b[?3h\x1b[?1001h\x1b[?2031h\x1b[?2048h\x1b[?9001h',
  'highlight tracking': '\x1b[1;2;3;4;5T',
  'conformance level': '\x1b[62;1"p',
  '8-bit CSI query': '\x9b6n\x9b>c',
  '8-bit OSC, DCS, APC, PM, SOS': '\x9d52;c;aGk=\x9c\x90$qm\x9c\x9fx\x9c\x9ex\x9c\x98x\x9c',
  '8-bit controls in UTF-8': '\xc2\x9b6n\xc2\x9d52;c;aGk=\xc2\x9c\xc2\x90$qm\x1b\\',
  'other 8-bit controls': '\x84\x85\x8d\x8e\x8f\x9a\xc2\x9a\xc2\x84',
  'malformed control sequence': '\x1b[1<2m\x1b[1 2m\x1b[?1?h',
};
for (const [name, bytes] of Object.entries(DROPPED)) {
  test(`TerminalSanitizer drops ${name}`, () => assert.equal(shown(`a${bytes}b`), 'ab'));
}

test('TerminalSanitizer keeps the harmless modes of a mixed list', () => {
  assert.equal(shown('\x1b[?1049;2031;25h'), '\x1b[?1049;25h');
});

test('TerminalSanitizer writes an allowed 8-bit sequence in 7 bits', () => {
  assert.equal(shown('\x9b31mred\xc2\x9bm'), '\x1b[31mred\x1b[m');
});

test('TerminalSanitizer lets an escape end any sequence and start the next', () => {
  assert.equal(shown('\x1b]52;c;aa\x1b[31mx'), '\x1b[31mx');
  assert.equal(shown('\x1b[3\x1b[31mx'), '\x1b[31mx');
  assert.equal(shown('\x1b\x1b[6nx'), 'x');
  assert.equal(shown('\x1b\x1b]0;t\x07x'), 'x');
});

test('TerminalSanitizer shows controls inside a sequence and still sees the sequence', () => {
  assert.equal(shown('\x1b[6\nn'), '\n');
  assert.equal(shown('\x1b[3\x051m'), '\x1b[31m');
  assert.equal(shown('\x1b[6\x7fn'), '');
});

test('TerminalSanitizer ends a sequence where CAN, SUB or a byte of another text ends it: what follows is text', () => {
  for (const sequence of ['\x1b[31', '\x1b(', '\x1b'])
    for (const end of ['\x18', '\x1a']) assert.equal(shown(`${sequence}${end}mB`), 'mB', JSON.stringify(sequence + end));
  assert.equal(sanitize(Buffer.from('\x1b[31ümB')).toString(), 'ümB');
});

test('TerminalSanitizer does not let a nested string open again', () => {
  assert.equal(shown('\x1bP\x1b]52;c;aa\x07x'), 'x');
  assert.equal(shown('\x1b]0;\x1bP+q00\x1b\\x'), 'x');
});

test('TerminalSanitizer keeps all of Unicode, whose bytes include 0x80 to 0x9f', () => {
  const text = 'grüße ✜ 漢字 🛰 \u00a0 \u{10ffff} ë\u009f'.replace('\u009f', '') + '\u011b\u0190\u045d';
  assert.equal(sanitize(Buffer.from(text)).toString(), text);
});

test('TerminalSanitizer does not take UTF-8 inside a string for its end', () => {
  assert.equal(sanitize(Buffer.from('\x1b]0;✜ 漢\x07x')).toString(), 'x');
  assert.equal(sanitize(Buffer.from('\x1bP✜✜\x1b\\x')).toString(), 'x');
});

test('TerminalSanitizer replaces what is not UTF-8', () => {
  assert.equal(sanitize(raw('a\xff\xfe\xc0b')).toString(), 'a\ufffd\ufffd\ufffdb');
  assert.equal(sanitize(raw('\xe2\x28')).toString(), '\ufffd(');
  assert.equal(sanitize(raw('\xe2\x9c')).toString(), '\ufffd');
  // Overlong spellings of ESC and of U+009B, and a surrogate: nothing of a control comes through.
  for (const bytes of ['\xc0\x9b6n', '\xe0\x82\x9b6n', '\xf0\x80\x82\x9b6n', '\xed\xa0\x80', '\xc1\x9b6n']) {
    assert.doesNotMatch(sanitize(raw(bytes)).toString('latin1'), /[\x80-\x9f](?![\x80-\xbf])6|\x1b/u);
  }
});

test('TerminalSanitizer gives up on a control sequence that is too long', () => {
  assert.equal(shown(`\x1b[${'1;'.repeat(SEQUENCE_MAX_BYTES)}mx`), 'x');
});

test('TerminalSanitizer gives up on a string that is never ended', () => {
  assert.equal(shown('\x1b]0;never ended\nnext'), '\nnext');
  const flood = sanitize(raw(`\x1bP${'q'.repeat(STRING_MAX_BYTES)}`), raw('seen'));
  assert.equal(flood.toString(), 'seen');
});

test('TerminalSanitizer passes the reset sequence, since every mode it keeps has an end', () => {
  assert.equal(shown(terminalResetSequence), terminalResetSequence);
});

/** Bytes that look like terminal output more often than chance. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\x1b',
        '\x1b[',
        '\x1b]',
        '\x1bP',
        '\x9b',
        '\xc2\x9b',
        '\x9d',
        '\x9c',
        '\x1b\\',
        '\x07',
        '52;c;',
        '?',
        '>',
        '1049',
        'h',
        'n',
        'c',
        ';',
        '6n',
        '\xe2\x9c\x9c',
        '\xf0\x9f',
        '\r\n',
      ),
      fc.string({ maxLength: 4 }),
      fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    { maxLength: 40 },
  )
  .map((parts) => raw(parts.join('')));

test('TerminalSanitizer gives the same however the stream is cut', () => {
  fc.assert(
    fc.property(hostile, fc.array(fc.nat(200), { maxLength: 12 }), (bytes, cuts) => {
      const points = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort((a, b) => a - b);
      const pieces = points.slice(1).map((point, index) => bytes.subarray(points[index], point));
      assert.deepEqual(sanitize(...pieces), sanitize(bytes));
    }),
    { numRuns: 2_000 },
  );
});

test('TerminalSanitizer lets out valid UTF-8 without 8-bit controls, and sanitizing twice changes nothing', () => {
  fc.assert(
    fc.property(hostile, (bytes) => {
      const once = sanitize(bytes);
      const text = new TextDecoder('utf-8', { fatal: true }).decode(once);
      assert.doesNotMatch(
        text,
        /[\u0080-\u009f\u0000-\u0006\u0010-\u001a\u001c-\u001f\u007f]|\u001b[\]PX^_kZ %]|\u001b\[[0-9;:<=>?]*[ -/]*[cntxi]/,
      );
      assert.deepEqual(sanitize(once), once);
    }),
    { numRuns: 2_000 },
  );
});
