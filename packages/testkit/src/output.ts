// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream';
import { BureauError } from '@bureau/core';
import { OUTPUT_MAX_BYTES, QUOTED_BYTES } from './limits.ts';

/** Collects a stream, and answers when something has come. */
export class Output {
  readonly #pieces: Buffer[] = [];
  #length = 0;
  #ended = false;
  readonly #watchers = new Set<() => void>();

  constructor(stream: Readable) {
    stream.on('data', (piece: Buffer) => {
      this.#length += piece.length;
      if (this.#length > OUTPUT_MAX_BYTES) return void stream.destroy();
      this.#pieces.push(piece);
      this.#tell();
    });
    stream.once('close', () => {
      this.#ended = true;
      this.#tell();
    });
    // The other end may go away at any moment; what came is what counts.
    stream.once('error', () => undefined);
  }

  get bytes(): Buffer {
    const all = Buffer.concat(this.#pieces);
    this.#pieces.splice(0, this.#pieces.length, all);
    return all;
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }

  /** The end of it, made printable: never raw bytes of a payload. */
  get quoted(): string {
    return JSON.stringify(this.bytes.subarray(-QUOTED_BYTES).toString('utf8'));
  }

  /**
   * Resolves with the text of `wanted` (for an expression the whole match) when it has come after `from` bytes. Throws
   * `deadline_exceeded`, or `output_ended` when the stream ends without it.
   */
  waitFor(wanted: string | RegExp, milliseconds: number, from = 0): Promise<string> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
      };
      const fail = (code: string, how: string): void => {
        finish();
        reject(
          new BureauError(
            code,
            `Expected ${wanted instanceof RegExp ? String(wanted) : JSON.stringify(wanted)} ${how}; there came ${this.quoted}`,
          ),
        );
      };
      const look = (): void => {
        const text = this.bytes.subarray(from).toString('utf8');
        const found = typeof wanted === 'string' ? (text.includes(wanted) ? wanted : undefined) : wanted.exec(text)?.[0];
        if (found !== undefined) {
          finish();
          resolve(found);
        } else if (this.#ended) {
          fail('output_ended', 'before the end of the output');
        }
      };
      const timer = setTimeout(() => fail('deadline_exceeded', `within ${milliseconds} ms`), milliseconds);
      this.#watchers.add(look);
      look();
    });
  }

  #tell(): void {
    for (const look of this.#watchers) look();
  }
}
