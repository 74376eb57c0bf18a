// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outcome } from './testing-fuzz.ts';

/** Streams that are kept, one in a file. */
export const CORPUS_DIRECTORY = join(import.meta.dirname, '../corpus');

/** One kept stream, and what it comes to. */
export interface CorpusEntry {
  readonly name: string;
  readonly frames: number;
  readonly end: Outcome['end'];
  readonly bytes: Buffer;
}

/** Every entry, by name. Throws when a file is not as `formatCorpus` writes it. */
export function readCorpus(): CorpusEntry[] {
  const files = readdirSync(CORPUS_DIRECTORY).filter((file) => file.endsWith('.hex'));
  return files.toSorted().map((file) => {
    const text = readFileSync(join(CORPUS_DIRECTORY, file), 'utf8');
    const expected = /^# expect: (\d+) frames, then (whole|pending|malformed_frame|frame_too_large)$/m.exec(text);
    if (expected === null) throw new Error(`${file}: the line "# expect: N frames, then END" is missing`);
    const pieces = text
      .replaceAll(/^#.*$/gm, '')
      .trim()
      .split(/\s+/)
      .map((piece) => bytesOf(file, piece));
    return { name: file, frames: Number(expected[1]), end: expected[2] as Outcome['end'], bytes: Buffer.concat(pieces) };
  });
}

/** `00ff`, or `78*300`: that many times. */
function bytesOf(file: string, piece: string): Buffer {
  const [, digits, count] = /^((?:[0-9a-f]{2})+)(?:\*(\d+))?$/.exec(piece) ?? [];
  if (digits === undefined) throw new Error(`${file}: "${piece.slice(0, 40)}" is not bytes in hexadecimal`);
  return Buffer.from(digits.repeat(Number(count ?? '1')), 'hex');
}

/** The text of an entry; a byte that comes very often is written once. */
export function formatCorpus(what: string, { values, end }: Outcome, bytes: Buffer): string {
  const pieces = bytes.toString('hex').replaceAll(/(?<=^(?:..)*)(..)\1{99,}/g, (run, byte: string) => ` ${byte}*${run.length / 2} `);
  const lines = pieces
    .trim()
    .split(/ +/)
    .flatMap((piece) => (piece.includes('*') ? [piece] : (piece.match(/.{1,128}/g) ?? [])));
  return `# ${what}\n# expect: ${values.length} frames, then ${end}\n${lines.join('\n')}\n`;
}
