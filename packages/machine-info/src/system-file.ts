// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readSync, readdirSync } from 'node:fs';
import { FILE_MAX_BYTES, TEXT_MAX } from './limits.ts';

/** The text of a file of the system, cut at `FILE_MAX_BYTES`; `undefined` when it is not there or may not be read. */
export function readSystemFile(path: string): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    // Files of /proc and /sys tell no size: they are read until nothing more comes.
    const pieces: Buffer[] = [];
    for (let size = 0; size < FILE_MAX_BYTES;) {
      const piece = Buffer.alloc(64 * 1024);
      const count = readSync(descriptor, piece);
      if (count === 0) break;
      pieces.push(piece.subarray(0, count));
      size += count;
    }
    return Buffer.concat(pieces).toString('utf8');
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** The number that a file consists of; `undefined` for anything else (`max`, nothing, words). */
export function readSystemNumber(path: string): number | undefined {
  const text = readSystemFile(path)?.trim();
  if (text === undefined || !/^[0-9]{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Names in a directory, sorted; none when it cannot be read. */
export function listSystem(path: string): readonly string[] {
  try {
    return readdirSync(path).toSorted();
  } catch {
    return [];
  }
}

/** One line without control characters, bounded: what a device calls itself is not ours to trust. */
export function plainLine(text: string, longest = TEXT_MAX): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, longest);
}
