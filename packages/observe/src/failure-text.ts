// SPDX-License-Identifier: Apache-2.0
import { stripVTControlCharacters } from 'node:util';
import type { OutputRecord } from './ring.ts';

/** What bwrap said last, on one line without control characters: from its last message on, when there is one. */
export function failureText(records: readonly OutputRecord[], longest: number): string {
  const bytes = Buffer.concat(records.map((record) => record.data));
  const text = oneLine(stripVTControlCharacters(bytes.toString('utf8')), Infinity);
  const start = text.lastIndexOf('bwrap: ');
  return (start < 0 ? text : text.slice(start)).slice(0, longest);
}

/** Text fit for a report: control characters and line ends become single spaces; at most `longest` UTF-16 units. */
export function oneLine(text: string, longest: number): string {
  return text
    .replace(/[\u0000-\u0020\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, longest);
}
