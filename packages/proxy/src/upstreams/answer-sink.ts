// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream';
import type { UpstreamFailure } from './failure.ts';

/** Names and values in turn, as they came. */
export type RawHeaders = readonly string[];

/** Where an answer goes as it comes in. After `ended`, `failed` or `switched` nothing more comes. */
export interface AnswerSink {
  /** `bytes` are the head as it came, for a search in it; valid during the call only. */
  head(status: number, headers: RawHeaders, bytes: Buffer | undefined): void;
  /** One piece of the body, as it came; valid, and the sink's to change, until the next `flush` or `ended` returns. */
  data(chunk: Buffer): void;
  /** What has come in so far is all with the sink: it can go out. `false` asks for no more until `resume`. */
  flush(): boolean;
  /** What was written of the request's body has gone out. */
  drained(): void;
  ended(trailers: RawHeaders): void;
  failed(failure: UpstreamFailure): void;
  /** 101: the connection is the sink's from now on, with what had already arrived. */
  switched(headers: RawHeaders, socket: Duplex, rest: Buffer): void;
}

/** A call under way. */
export interface RunningCall {
  /** It ended before a byte of an answer on a connection that had served another call: the server may not have seen it. */
  readonly retryable: boolean;
  /** A piece of the request's body; `false` asks to wait for the sink's `drained`. */
  write(chunk: Buffer): boolean;
  /** The request's body is complete. */
  end(): void;
  /** The sink can take more. */
  resume(): void;
  /** Ends the call now, whatever state it is in; the sink hears nothing more. */
  abort(): void;
}
