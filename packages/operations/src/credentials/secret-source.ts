// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream';
import { UsageError } from '@bureau/core';
import { readBounded } from '@bureau/files';
import { SECRETS_MAX_BYTES, secretName } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';

/** Where secrets may come from besides files. */
export interface SecretSurroundings {
  readonly input: Readable;
  readonly variable: ((name: string) => string | undefined) | undefined;
}

/** Secrets by name; disposing it zeroes them. */
export class SecretSet implements Disposable {
  readonly #secrets = new Map<string, SecretBytes>();

  /** Views that turn to zeros with the set. */
  get bytes(): Map<string, Buffer> {
    return new Map([...this.#secrets].map(([name, secret]) => [name, secret.bytes]));
  }

  /** Takes `bytes` over. Throws `secret_invalid` when the name is there. */
  add(name: string, bytes: Uint8Array): void {
    if (this.#secrets.has(name)) throw new UsageError('secret_invalid', `Secret ${name} is given twice; give it once`);
    this.#secrets.set(name, SecretBytes.from(bytes));
  }

  [Symbol.dispose](): void {
    for (const secret of this.#secrets.values()) secret[Symbol.dispose]();
  }
}

const FORMS = 'NAME=file:PATH, NAME=env:VARIABLE or NAME=stdin';

/**
 * Reads secrets given as `NAME=file:PATH`, `NAME=env:VARIABLE` or `NAME=stdin` (one of them, to its end). One line end at the end of a
 * file or of stdin is taken away, as shells and editors add it; with `:raw` after `file` or `stdin` every byte counts. Never a
 * value itself: arguments are read by every user of the machine. Throws `secret_invalid`, `file_missing`.
 */
export async function readSecrets(words: readonly string[], surroundings: SecretSurroundings): Promise<SecretSet> {
  const set = new SecretSet();
  try {
    if (words.filter((word) => /=stdin(:raw)?$/.test(word)).length > 1)
      throw new UsageError('secret_invalid', 'Only one secret can come from stdin');
    for (const word of words) {
      const [, name = '', source = ''] = /^([^=]*)=([^]*)$/.exec(word) ?? [];
      if (!v.is(secretName, name)) throw new UsageError('secret_invalid', `Expected --secret ${FORMS}, with a NAME such as MATRIX_TOKEN`);
      set.add(name, await readSource(name, source, surroundings));
    }
    return set;
  } catch (error) {
    set[Symbol.dispose]();
    throw error;
  }
}

async function readSource(name: string, source: string, { input, variable }: SecretSurroundings): Promise<Uint8Array> {
  const [, kind, raw, place = ''] = /^(file|env|stdin)(:raw)?(?::([^]+))?$/.exec(source) ?? [];
  if (kind === 'file' && place !== '') return withoutLineEnd(readBounded(place, SECRETS_MAX_BYTES), raw !== undefined);
  if (kind === 'stdin' && place === '') return withoutLineEnd(await readInput(input), raw !== undefined);
  if (kind === 'env' && place !== '' && raw === undefined) {
    const value = variable?.(place);
    if (value === undefined)
      throw new UsageError('secret_invalid', `Secret ${name}: expected an environment variable ${place}, found none`);
    return Buffer.from(value, 'utf8');
  }
  // The source is not quoted: it may be the secret itself.
  throw new UsageError('secret_invalid', `Secret ${name}: expected ${FORMS}; a value itself is never an argument`);
}

function withoutLineEnd(bytes: Buffer, raw: boolean): Buffer {
  if (raw || bytes.at(-1) !== 0x0a) return bytes;
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
}

async function readInput(input: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of input) {
    const bytes = Buffer.from(part as Uint8Array);
    length += bytes.length;
    if (length > SECRETS_MAX_BYTES)
      throw new UsageError('secret_invalid', `Expected at most ${SECRETS_MAX_BYTES} bytes on stdin, found more`);
    parts.push(bytes);
  }
  const whole = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  return whole;
}
