// SPDX-License-Identifier: Apache-2.0
import type { GenericSchema, InferOutput } from 'valibot';

/** One request, one response. */
export interface CallContract<Input extends GenericSchema = GenericSchema, Output extends GenericSchema = GenericSchema> {
  readonly kind: 'call';
  readonly input: Input;
  readonly output: Output;
}

/** One request, any number of chunks from the server under the client's flow control, then one response. */
export interface StreamContract<
  Input extends GenericSchema = GenericSchema,
  Chunk extends GenericSchema = GenericSchema,
  Output extends GenericSchema = GenericSchema,
> {
  readonly kind: 'stream';
  readonly input: Input;
  readonly chunk: Chunk;
  readonly output: Output;
}

/** What one socket offers: a name for logs and a table of methods. */
export interface Contract {
  readonly name: string;
  readonly methods: Readonly<Record<string, CallContract | StreamContract>>;
}

/** Declares a call; input, output and types come from the schemas. */
export function call<Input extends GenericSchema, Output extends GenericSchema>(input: Input, output: Output): CallContract<Input, Output> {
  return { kind: 'call', input, output };
}

/** Declares a server stream. */
export function stream<Input extends GenericSchema, Chunk extends GenericSchema, Output extends GenericSchema>(
  input: Input,
  chunk: Chunk,
  output: Output,
): StreamContract<Input, Chunk, Output> {
  return { kind: 'stream', input, chunk, output };
}

/** The names of a contract's calls. */
export type CallName<C extends Contract> = {
  [K in keyof C['methods'] & string]: C['methods'][K] extends CallContract ? K : never;
}[keyof C['methods'] & string];
/** The names of a contract's streams. */
export type StreamName<C extends Contract> = {
  [K in keyof C['methods'] & string]: C['methods'][K] extends StreamContract ? K : never;
}[keyof C['methods'] & string];
/** What a method takes. */
export type InputOf<C extends Contract, M extends keyof C['methods']> = InferOutput<C['methods'][M]['input']>;
/** What a method gives at its end. */
export type OutputOf<C extends Contract, M extends keyof C['methods']> = InferOutput<C['methods'][M]['output']>;
/** What a stream gives on the way. */
export type ChunkOf<C extends Contract, M extends keyof C['methods']> =
  C['methods'][M] extends StreamContract<GenericSchema, infer Chunk> ? InferOutput<Chunk> : never;
