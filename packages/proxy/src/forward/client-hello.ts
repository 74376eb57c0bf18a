// SPDX-License-Identifier: Apache-2.0

/** What the first bytes of a connection are. */
export type FirstBytes =
  /** Not decided yet: wait for more. */
  | { readonly kind: 'incomplete' }
  /** A whole TLS ClientHello; `serverName` as it was sent, when it was. */
  | { readonly kind: 'client-hello'; readonly serverName: string | undefined }
  /** Something else than TLS, or TLS that no honest client sends. */
  | { readonly kind: 'other' };

const INCOMPLETE: FirstBytes = { kind: 'incomplete' };
const OTHER: FirstBytes = { kind: 'other' };
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
/** Largest TLS record. */
const RECORD_MAX = 16_384;

/**
 * Reads the ClientHello at the start of `bytes` (RFC 8446, 4.1.2; RFC 6066, 3). It may be spread over several records and may arrive
 * in any pieces. Two server names, or a length that does not fit its surroundings, are `other`: two readers could differ.
 */
export function readFirstBytes(bytes: Uint8Array): FirstBytes {
  let message: Uint8Array = new Uint8Array();
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] !== HANDSHAKE_RECORD || (at + 1 < bytes.length && bytes[at + 1] !== 3)) return OTHER;
    if (at + 5 > bytes.length) return INCOMPLETE;
    const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0);
    if (length === 0 || length > RECORD_MAX) return OTHER;
    message = Buffer.concat([message, bytes.subarray(at + 5, at + 5 + length)]);
    if (message.length > 0 && message[0] !== CLIENT_HELLO) return OTHER;
    const wanted = 4 + (((message[1] ?? 0) << 16) | ((message[2] ?? 0) << 8) | (message[3] ?? 0));
    if (message.length >= 4 && message.length >= wanted) {
      // More in its record than the ClientHello: two readers could differ on what follows. Later records are the server's to read.
      return message.length === wanted ? readHello(new Reader(message.subarray(4))) : OTHER;
    }
    at += 5 + length;
  }
  return INCOMPLETE;
}

function readHello(hello: Reader): FirstBytes {
  hello.skip(2 + 32); // version, random
  hello.skip(hello.number(1)); // session id
  hello.skip(hello.number(2)); // cipher suites
  hello.skip(hello.number(1)); // compression methods
  if (hello.atEnd) return { kind: 'client-hello', serverName: undefined };
  const extensions = hello.part(hello.number(2));
  if (!hello.atEnd || extensions === undefined) return OTHER;
  let serverName: string | undefined;
  while (!extensions.atEnd && !extensions.failed) {
    const type = extensions.number(2);
    const content = extensions.part(extensions.number(2));
    if (content === undefined) return OTHER;
    if (type !== SERVER_NAME_EXTENSION) continue;
    if (serverName !== undefined) return OTHER;
    serverName = readServerName(content);
    if (serverName === undefined) return OTHER;
  }
  return extensions.failed || hello.failed ? OTHER : { kind: 'client-hello', serverName };
}

/** A list of exactly one name of type host_name. */
function readServerName(content: Reader): string | undefined {
  const list = content.part(content.number(2));
  if (list === undefined || !content.atEnd || list.number(1) !== 0) return undefined;
  const name = list.bytes(list.number(2));
  return name === undefined || name.length === 0 || !list.atEnd ? undefined : Buffer.from(name).toString('latin1');
}

/** Reads forward; a read past the end sets `failed` and gives zeros. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  bytes(length: number): Uint8Array | undefined {
    if (this.failed || this.#at + length > this.#bytes.length) {
      this.failed = true;
      return undefined;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  skip(length: number): void {
    this.bytes(length);
  }

  number(width: number): number {
    return (this.bytes(width) ?? new Uint8Array()).reduce((value, byte) => value * 256 + byte, 0);
  }

  part(length: number): Reader | undefined {
    const bytes = this.bytes(length);
    return bytes === undefined ? undefined : new Reader(bytes);
  }
}
