// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import { BureauError } from '@bureau/core';
import { lockMemory } from '@bureau/native';

const SHOWN = '[secret]';

/**
 * Bytes that nobody sees by accident and that are zeroed when their holder is done: hold it with `using`.
 *
 * They lie in memory of their own, never in Node's pool, and out of swap where the kernel permits (`mlock`; 8 MiB for a process without
 * CAP_IPC_LOCK is usual, `bureau sandbox validate` says what it is). `inspect`, `toString`, JSON and templates show `[secret]`; structured
 * clone gives an empty object. What cannot be promised: a string made from the bytes, a copy that somebody else made, what
 * lies beyond the kernel's limit.
 */
export class SecretBytes implements Disposable {
  #bytes: Buffer | undefined;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Takes the bytes over: `source` is all zeros when this returns. */
  static from(source: Uint8Array): SecretBytes {
    const bytes = offHeap(source.length);
    bytes.set(source);
    source.fill(0);
    return new SecretBytes(bytes);
  }

  /** The bytes themselves, not a copy: they turn to zeros at dispose. Throws `secret_disposed` afterwards. */
  get bytes(): Buffer {
    return this.#bytes ?? disposed();
  }

  /** How many. Throws `secret_disposed` after dispose. */
  get length(): number {
    return this.bytes.length;
  }

  /** A second holder with a life of its own. Throws `secret_disposed` after dispose. */
  clone(): SecretBytes {
    const copy = offHeap(this.bytes.length);
    copy.set(this.bytes);
    return new SecretBytes(copy);
  }

  /** Zeroes the bytes. May be called again. */
  [Symbol.dispose](): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.toPrimitive](): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

/**
 * Never inside V8's heap, where up to 64 bytes would lie otherwise: its collector moves them and leaves the old place as it was. Pages
 * stay locked: the allocator gives them to the next secret as likely as not, and the limit bounds what they can become.
 */
function offHeap(length: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(length));
  lockMemory(bytes);
  return bytes;
}

function disposed(): never {
  throw new BureauError(
    'secret_disposed',
    'Cannot use a secret that was disposed: its bytes are zeros. Clone it for a holder that lives longer',
  );
}
