// SPDX-License-Identifier: Apache-2.0
import type { CallContract, Contract, StreamContract } from '@bureau/protocol';
import type { InferInput, InferOutput } from 'valibot';

/** Who is at the other end, as the kernel says. */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The connection that a request came on. The same object for each request of one connection. */
export interface ConnectionHandle {
  /** What the peer calls itself and runs; believed for logs only. */
  readonly role: string;
  readonly build: string;
  /** Calls `callback` once when the connection has ended; at once when it already has. Returns a function that takes it back. */
  onClose(callback: () => void): () => void;
}

/** What a handler is told beside its input. */
export interface CallContext {
  /** Aborted on cancel, disconnect, deadline and when the server closes; its reason is a BureauError that says which. */
  readonly signal: AbortSignal;
  readonly peer: Peer;
  /** 32 hexadecimal digits: the caller's, or made here. */
  readonly traceId: string;
  readonly connection: ConnectionHandle;
}

/** Answers a call. A BureauError that it throws reaches the client with code, message and data; anything else becomes `internal`. */
export type CallHandler<Input, Output> = (input: Input, context: CallContext) => Promise<Output> | Output;

/**
 * Answers a stream: each `yield` is a chunk, the `return` is the output. It is pulled only when the client has granted credit and reads.
 * On cancel, disconnect or deadline its signal is aborted and it is returned: `finally` runs. It must heed the signal where it waits.
 */
export type StreamHandler<Input, Chunk, Output> = (input: Input, context: CallContext) => AsyncGenerator<Chunk, Output, undefined>;

/** One handler for each method of a contract. */
export type Handlers<C extends Contract> = {
  readonly [M in keyof C['methods']]: C['methods'][M] extends StreamContract<infer Input, infer Chunk, infer Output>
    ? StreamHandler<InferOutput<Input>, InferInput<Chunk>, InferInput<Output>>
    : C['methods'][M] extends CallContract<infer Input, infer Output>
      ? CallHandler<InferOutput<Input>, InferInput<Output>>
      : never;
};
