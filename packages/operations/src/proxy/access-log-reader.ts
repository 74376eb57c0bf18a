// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, existsSync, fstatSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { openatNoSymlinks } from '@bureau/native';
import { ACCESS_LOG_FILES_MAX, accessLine, accessLogFile, type AccessLine } from '@bureau/protocol';
import * as v from 'valibot';

/** Bytes read at once. */
const PIECE_BYTES = 256 * 1024;
/** A longer line is none of ours; it is left out. */
const LINE_BYTES_MAX = 64 * 1024;

/**
 * Reads one principal's access log, oldest line first, and afterwards what has been added, over any number of rotations. The directory
 * belongs to the proxy, which an agent may have taken over: links are not followed, only regular files are read, malformed lines are
 * left out and counted.
 */
export class AccessLogReader {
  readonly #directory: string;
  /** Up to where the newest file has been read. */
  #inode = 0n;
  #offset = 0;
  #malformed = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Lines so far that were none. */
  get malformed(): number {
    return this.#malformed;
  }

  /** The lines since the last call; all that there are at the first. A line that is not finished is left for the next call. */
  *read(): Generator<AccessLine> {
    const files = this.#open();
    try {
      const known = files.findIndex(({ inode }) => inode === this.#inode);
      // Oldest first; what was put aside since then is read to its end.
      const from = known === -1 ? files.length - 1 : known;
      for (let age = from; age >= 0; age -= 1) {
        const file = files[age];
        if (file === undefined) continue;
        const start = age === known && this.#offset <= file.size ? this.#offset : 0;
        this.#inode = file.inode;
        this.#offset = start;
        yield* this.#lines(file.descriptor);
      }
    } finally {
      for (const { descriptor } of files) closeSync(descriptor);
    }
  }

  #open(): { readonly descriptor: number; readonly inode: bigint; readonly size: number }[] {
    const files = [];
    for (let age = 0; age < ACCESS_LOG_FILES_MAX; age += 1) {
      const path = join(this.#directory, accessLogFile(age));
      if (!existsSync(path)) break;
      const descriptor = openatNoSymlinks(path, { flags: constants.O_RDONLY | constants.O_NONBLOCK });
      const facts = fstatSync(descriptor, { bigint: true });
      if (facts.isFile()) files.push({ descriptor, inode: facts.ino, size: Number(facts.size) });
      else closeSync(descriptor);
    }
    return files;
  }

  *#lines(descriptor: number): Generator<AccessLine> {
    const piece = Buffer.alloc(PIECE_BYTES);
    let rest = Buffer.alloc(0);
    let at = this.#offset;
    for (;;) {
      const length = readSync(descriptor, piece, 0, piece.length, at);
      if (length === 0) return;
      at += length;
      const bytes = Buffer.concat([rest, piece.subarray(0, length)]);
      let start = 0;
      for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
        const line = this.#parse(bytes.subarray(start, end));
        this.#offset += end + 1 - start;
        start = end + 1;
        if (line !== undefined) yield line;
      }
      rest = Buffer.from(bytes.subarray(start));
      if (rest.length <= LINE_BYTES_MAX) continue;
      this.#malformed += 1;
      this.#offset += rest.length;
      rest = Buffer.alloc(0);
    }
  }

  #parse(bytes: Buffer): AccessLine | undefined {
    if (bytes.length === 0) return undefined;
    try {
      return v.parse(accessLine, JSON.parse(bytes.toString('utf8')));
    } catch {
      this.#malformed += 1;
      return undefined;
    }
  }
}
