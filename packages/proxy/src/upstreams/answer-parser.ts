// SPDX-License-Identifier: Apache-2.0
import type { RawHeaders } from './answer-sink.ts';
import { UpstreamFailure } from './failure.ts';

/** What the parser finds, in order. */
export interface AnswerEvents {
  /** `bytes` is the head as it came, valid during the call. Gives whether a body can follow (not after HEAD). */
  onHead(status: number, headers: RawHeaders, bytes: Buffer): void;
  onBody(chunk: Buffer): void;
  onEnd(trailers: RawHeaders): void;
  /** 101: all that follows belongs to another protocol. */
  onSwitch(headers: RawHeaders, rest: Buffer): void;
}

const HEAD = 0;
const LENGTH = 1;
const UNTIL_CLOSE = 2;
const CHUNK_SIZE = 3;
const CHUNK_DATA = 4;
const CHUNK_END = 5;
const TRAILERS = 6;
const DONE = 7;

/** Interim answers (100, 102, 103) before the real one; more is a flood. */
export const INTERIM_MOST = 16;
/** Bytes of a chunk's size with its extensions. */
const CHUNK_LINE_BYTES = 256;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r\n/;
const FIELD = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)\r\n/y;
/** The size of a chunk and its extensions (RFC 9112, 7.1.1), which end here. */
const CHUNK_LINE =
  /^([0-9A-Fa-f]{1,13})(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~\w]+(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~\w]+|"[^"\\\x00-\x08\x0a-\x1f\x7f]*"))?)*\r$/;
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Reads HTTP/1.1 answers off one connection, one after the other: RFC 9112 without its leniencies. Refused, where parsers disagree:
 * bare line feeds, folded lines, spaces before a colon, both length and chunks, two lengths, any coding but `chunked`.
 * Body bytes are passed on as they come, never joined, never copied, valid during the call. Throws `UpstreamFailure`; the connection is of no use then.
 */
export class AnswerParser {
  readonly #events: AnswerEvents;
  readonly #headMost: number;
  #state = DONE;
  #left = 0;
  #partial: Buffer | undefined;
  #interim = 0;
  #bodyless = false;
  #mayClose = false;

  constructor(events: AnswerEvents, headMost: number) {
    this.#events = events;
    this.#headMost = headMost;
  }

  /** The next bytes answer a new request; `bodyless` for HEAD. */
  expect(bodyless: boolean): void {
    this.#state = HEAD;
    this.#bodyless = bodyless;
    this.#interim = 0;
    this.#mayClose = false;
  }

  /** The answer is complete and its connection can serve another request. */
  get reusable(): boolean {
    return this.#state === DONE && !this.#mayClose;
  }

  /** No byte of a final answer has come yet. */
  get untouched(): boolean {
    return this.#state === HEAD && this.#partial === undefined && this.#interim === 0;
  }

  feed(input: Buffer): void {
    let bytes = input;
    if (this.#partial !== undefined) {
      bytes = Buffer.concat([this.#partial, input]);
      this.#partial = undefined;
    }
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at);
      if (next === -1) {
        // A copy: the memory of `input` is used again.
        this.#partial = Buffer.from(bytes.subarray(at));
        return;
      }
      at = next;
    }
  }

  /** The connection has ended: an answer that has no other end is complete. */
  finish(): void {
    if (this.#state === DONE) return;
    if (this.#state !== UNTIL_CLOSE) throw this.#cut();
    this.#state = DONE;
    this.#events.onEnd([]);
  }

  #cut(): UpstreamFailure {
    if (this.#state === HEAD)
      return new UpstreamFailure('reset', this.#partial === undefined ? 'no answer' : 'connection closed inside the head');
    const missing = this.#state === LENGTH ? `${this.#left} bytes of its length are missing` : 'its last chunk is missing';
    return new UpstreamFailure('truncated', missing);
  }

  /** Reads from `at`; gives where the next step begins, or -1 when it needs more bytes. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case HEAD:
        return this.#head(bytes, at);
      case LENGTH:
      case CHUNK_DATA: {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        this.#events.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
        if (this.#left > 0) return end;
        if (this.#state === LENGTH) this.#end([]);
        else this.#state = CHUNK_END;
        return end;
      }
      case UNTIL_CLOSE:
        this.#events.onBody(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length;
      case CHUNK_SIZE:
        return this.#chunkSize(bytes, at);
      case CHUNK_END:
        if (bytes.length - at < 2) return -1;
        if (bytes[at] !== 13 || bytes[at + 1] !== 10) throw malformed('a chunk is longer than its size');
        this.#state = CHUNK_SIZE;
        return at + 2;
      case TRAILERS:
        return this.#trailers(bytes, at);
      default:
        throw malformed('bytes that belong to no answer');
    }
  }

  #head(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(HEAD_END, at);
    if ((end === -1 ? bytes.length : end) - at > this.#headMost) throw tooLarge(this.#headMost);
    if (end === -1) return -1;
    const text = bytes.toString('latin1', at, end + 2);
    const line = STATUS_LINE.exec(text);
    if (line === null) throw malformed('its status line');
    const headers = fields(text, line[0].length);
    const status = Number(line[2]);
    if (status < 200) return this.#interimAnswer(status, headers, bytes, end + 4);
    this.#frame(status, line[1] === '1', headers);
    this.#events.onHead(status, headers, bytes.subarray(at, end + 4));
    if (this.#state === DONE) this.#events.onEnd([]);
    return end + 4;
  }

  #interimAnswer(status: number, headers: RawHeaders, bytes: Buffer, next: number): number {
    if (status === 101) {
      this.#state = DONE;
      this.#mayClose = true;
      this.#events.onSwitch(headers, bytes.subarray(next));
      return bytes.length;
    }
    this.#interim += 1;
    if (this.#interim > INTERIM_MOST) throw malformed(`more than ${INTERIM_MOST} interim answers`);
    return next;
  }

  /** How the body ends, from the head alone. */
  #frame(status: number, isCurrent: boolean, headers: RawHeaders): void {
    let length: string | undefined;
    let coding: string | undefined;
    let keeps = isCurrent;
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] as string;
      // Only these three frame a message: their lengths pick them out without a copy in lower case of every name.
      if (name.length === 14 && name.toLowerCase() === 'content-length') {
        if (length !== undefined && length !== headers[index + 1]) throw malformed('two lengths');
        length = headers[index + 1];
      } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
        if (coding !== undefined) throw malformed('two transfer codings');
        coding = (headers[index + 1] as string).toLowerCase();
      } else if (
        name.length === 10 &&
        name.toLowerCase() === 'connection' &&
        /(^|,)[ \t]*close[ \t]*(,|$)/i.test(headers[index + 1] as string)
      ) {
        keeps = false;
      }
    }
    if (coding !== undefined && (coding !== 'chunked' || length !== undefined || !isCurrent)) throw malformed('its framing');
    if (length !== undefined && !/^[0-9]{1,15}$/.test(length)) throw malformed('its length');
    this.#mayClose = !keeps;
    if (this.#bodyless || status === 204 || status === 304) this.#state = DONE;
    else if (coding !== undefined) this.#state = CHUNK_SIZE;
    else if (length !== undefined) {
      this.#left = Number(length);
      this.#state = this.#left === 0 ? DONE : LENGTH;
    } else {
      this.#mayClose = true;
      this.#state = UNTIL_CLOSE;
    }
  }

  #chunkSize(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(10, at);
    if ((end === -1 ? bytes.length : end) - at > CHUNK_LINE_BYTES) throw malformed('a chunk with a long first line');
    if (end === -1) return -1;
    const line = CHUNK_LINE.exec(bytes.toString('latin1', at, end));
    if (line === null) throw malformed('the size of a chunk');
    this.#left = Number.parseInt(line[1] as string, 16);
    this.#state = this.#left === 0 ? TRAILERS : CHUNK_DATA;
    return end + 1;
  }

  #trailers(bytes: Buffer, at: number): number {
    if (bytes.length - at < 2) return -1;
    if (bytes[at] === 13 && bytes[at + 1] === 10) {
      this.#end([]);
      return at + 2;
    }
    const end = bytes.indexOf(HEAD_END, at);
    if ((end === -1 ? bytes.length : end) - at > this.#headMost) throw tooLarge(this.#headMost);
    if (end === -1) return -1;
    this.#end(fields(bytes.toString('latin1', at, end + 2), 0));
    return end + 4;
  }

  #end(trailers: RawHeaders): void {
    this.#state = DONE;
    this.#events.onEnd(trailers);
  }
}

/** Every field line of `text` from `start` to its end, or a throw. */
function fields(text: string, start: number): RawHeaders {
  const found: string[] = [];
  let at = start;
  while (at < text.length) {
    FIELD.lastIndex = at;
    const match = FIELD.exec(text);
    if (match === null) throw malformed('one of its headers');
    found.push(match[1] as string, (match[2] as string).trimEnd());
    at = FIELD.lastIndex;
  }
  return found;
}

function malformed(what: string): UpstreamFailure {
  return new UpstreamFailure('malformed', what);
}

function tooLarge(most: number): UpstreamFailure {
  return new UpstreamFailure('too_large', `at most ${most} bytes of headers`);
}
