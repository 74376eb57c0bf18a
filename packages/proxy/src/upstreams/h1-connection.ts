// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import type { AnswerSink, RawHeaders, RunningCall } from './answer-sink.ts';
import { AnswerParser, type AnswerEvents } from './answer-parser.ts';
import { UpstreamFailure, failureOfSocket } from './failure.ts';

/** First size of the buffer in which heads are made; it grows to what one needs. */
const HEAD_BUFFER_BYTES = 4_096;
/** A kept connection is closed after so much silence: less than the five seconds after which Node's own servers close theirs. */
const KEEP_MILLISECONDS = 4_000;
/** The most that a server's `Keep-Alive: timeout=` raises that to. */
const KEEP_MOST_MILLISECONDS = 60_000;

/** A request as it is written: the head in two parts, so that keys never become strings. */
export interface H1Request {
  /** Request line and headers in ASCII, without the empty line. */
  readonly head: string;
  /** Header lines with keys, each with its line end; empty for none. */
  readonly keys: Buffer;
  readonly bodyless: boolean;
  /** The longest silence until the head of the answer, and within its body; 0 for any. */
  readonly headersMilliseconds: number;
  readonly idleMilliseconds: number;
  /** How the body is sent: its length is in the head, in chunks, or there is none. */
  readonly framing: 'none' | 'length' | 'chunked';
}

export interface H1ConnectionOptions {
  readonly headMost: number;
  /** The connection is free for another request. */
  readonly onFree: (connection: H1Connection) => void;
  /** The connection is of no use any more. */
  readonly onGone: (connection: H1Connection) => void;
}

/** One connection to an upstream: one request at a time, each with its answer. */
export class H1Connection implements RunningCall, AnswerEvents {
  readonly socket: Socket;
  /** Requests that were begun on it: 1 for the first. */
  uses = 0;
  /** When it may no longer be used, by the monotonic clock; set by the pool. */
  usableFor = KEEP_MILLISECONDS;
  idleSince = 0;
  readonly #options: H1ConnectionOptions;
  readonly #parser: AnswerParser;
  #sink: AnswerSink | undefined;
  #framing: H1Request['framing'] = 'none';
  #timeout = 0;
  #idle = 0;
  #inBody = false;
  #sent = true;
  #gone = false;
  #switched = false;
  #buffer = Buffer.allocUnsafeSlow(HEAD_BUFFER_BYTES);
  #keysAt = 0;
  #keysEnd = 0;

  constructor(socket: Socket, options: H1ConnectionOptions) {
    this.socket = socket;
    this.#options = options;
    this.#parser = new AnswerParser(this, options.headMost);
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('drain', () => this.#sink?.drained());
    socket.on('end', () => this.#over(undefined));
    socket.on('error', (error) => this.#over(error));
    socket.on('close', () => this.#over(undefined));
    socket.on('timeout', () => this.#over(new UpstreamFailure(this.#inBody ? 'idle_timeout' : 'headers_timeout', `${this.#timeout} ms`)));
  }

  get gone(): boolean {
    return this.#gone;
  }

  get retryable(): boolean {
    return this.uses > 1 && this.#parser.untouched;
  }

  /** Writes a head and gives the answer to `sink`. */
  start(request: H1Request, sink: AnswerSink): void {
    this.uses += 1;
    this.#sink = sink;
    this.#framing = request.framing;
    this.#sent = request.framing === 'none';
    this.#inBody = false;
    this.#idle = request.idleMilliseconds;
    // Usually that of the call before, then nothing has to be armed.
    this.#limitSilence(request.headersMilliseconds);
    if (this.socket.isPaused()) this.socket.resume();
    this.#parser.expect(request.bodyless);
    const { head, keys } = request;
    const size = head.length + keys.length + 2;
    if (size > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(size * 2);
    const buffer = this.#buffer;
    this.#keysAt = buffer.write(head, 0, 'latin1');
    this.#keysEnd = this.#keysAt + keys.copy(buffer, this.#keysAt);
    buffer[this.#keysEnd] = 13;
    buffer[this.#keysEnd + 1] = 10;
    this.socket.write(buffer.subarray(0, size));
    // Nothing of a key stays in a buffer longer than the kernel needs to take it: usually it has.
    if (this.socket.writableLength === 0) this.#headWritten();
    else this.socket.write('', this.#headWritten);
  }

  write(chunk: Buffer): boolean {
    if (this.#gone || chunk.length === 0) return true;
    if (this.#framing === 'length') return this.socket.write(chunk);
    this.socket.cork();
    this.socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    this.socket.write(chunk);
    const more = this.socket.write('\r\n', 'latin1');
    this.socket.uncork();
    return more;
  }

  end(): void {
    if (this.#sent || this.#gone) return;
    this.#sent = true;
    if (this.#framing === 'chunked') this.socket.write('0\r\n\r\n', 'latin1');
  }

  resume(): void {
    this.socket.resume();
  }

  abort(): void {
    this.#sink = undefined;
    this.#discard();
  }

  onHead(status: number, headers: RawHeaders, bytes: Buffer): void {
    this.#inBody = true;
    this.#readKeepAlive(headers);
    this.#sink?.head(status, headers, bytes);
  }

  onBody(chunk: Buffer): void {
    this.#sink?.data(chunk);
  }

  onEnd(trailers: RawHeaders): void {
    const sink = this.#sink;
    this.#sink = undefined;
    if (this.#parser.reusable && this.#sent && this.socket.writableLength === 0) this.#options.onFree(this);
    else this.#discard();
    sink?.ended(trailers);
  }

  onSwitch(headers: RawHeaders, rest: Buffer): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#gone = true;
    this.#switched = true;
    this.socket.removeAllListeners('data').removeAllListeners('drain').removeAllListeners('end').removeAllListeners('timeout');
    this.socket.setTimeout(0);
    this.#options.onGone(this);
    sink?.switched(headers, this.socket, Buffer.from(rest));
  }

  #limitSilence(milliseconds: number): void {
    if (this.#timeout === milliseconds) return;
    this.#timeout = milliseconds;
    this.socket.setTimeout(milliseconds);
  }

  readonly #headWritten = (): void => {
    this.#buffer.fill(0, this.#keysAt, this.#keysEnd);
  };

  /** Takes what came in, for a socket that does not say `data`; the memory is used again after the call. */
  read(chunk: Buffer): void {
    // It belongs to somebody else, who reads it as any other.
    if (this.#switched) return void this.socket.push(Buffer.from(chunk));
    try {
      this.#parser.feed(chunk);
      if (this.#sink === undefined) return;
      // The answer did not come in one piece: a stream, perhaps.
      if (this.#inBody) this.#limitSilence(this.#idle);
      if (!this.#sink.flush()) this.socket.pause();
    } catch (error) {
      this.#over(error);
    }
  }

  #readKeepAlive(headers: RawHeaders): void {
    for (let index = 0; index < headers.length; index += 2) {
      if ((headers[index] as string).length !== 10 || (headers[index] as string).toLowerCase() !== 'keep-alive') continue;
      const seconds = /(?:^|[,; \t])timeout=(\d{1,6})/i.exec(headers[index + 1] as string)?.[1];
      if (seconds !== undefined) this.usableFor = Math.min(KEEP_MOST_MILLISECONDS, Math.max(0, Number(seconds) * 1_000 - 1_000));
    }
  }

  /** The connection has ended, in order or not. */
  #over(error: unknown): void {
    if (this.#gone) return;
    const sink = this.#sink;
    let failure: UpstreamFailure | undefined;
    try {
      if (error !== undefined && error !== null) failure = failureOfSocket(error, true);
      else this.#parser.finish();
    } catch (cause) {
      failure = failureOfSocket(cause, true);
    }
    this.#sink = undefined;
    this.#discard();
    if (failure !== undefined) sink?.failed(failure);
  }

  #discard(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.socket.destroy();
    this.#options.onGone(this);
  }
}
