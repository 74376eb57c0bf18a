// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';

/** Version of everything in this file. Peers of different versions part with `protocol_mismatch`. */
export const PROTOCOL_VERSION = 1;
/** Most chunks that one frame may grant. */
export const COUNT_MAX = 1_000_000;
/** Longest deadline that the wire can say, in milliseconds; servers have a lower limit of their own. */
export const DEADLINE_MAX = 2 ** 31 - 1;
/** Longest name of a method, build or role. */
export const NAME_MAX = 200;

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(COUNT_MAX));
const milliseconds = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(DEADLINE_MAX));
const shortText = v.pipe(v.string(), v.maxLength(NAME_MAX));
const errorCode = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,63}$/));
const errorValue = v.union([v.string(), v.number(), v.boolean(), v.null(), v.array(v.string())]);
const errorFields = {
  code: errorCode,
  message: v.pipe(v.string(), v.maxLength(8_000)),
  data: v.record(v.string(), errorValue),
};

/** First frame in each direction. Loose: a hello of another version must be readable far enough to say so. */
export const helloMessage = v.looseObject({
  type: v.literal('hello'),
  protocol: v.pipe(v.number(), v.safeInteger()),
  build: shortText,
  role: shortText,
});
export type HelloMessage = { readonly type: 'hello'; readonly protocol: number; readonly build: string; readonly role: string };

/** Client → server: runs a method. Ids are the client's; one that is live may not be used again. */
export const requestMessage = v.strictObject({
  type: v.literal('request'),
  id,
  method: shortText,
  input: v.unknown(),
  /** Milliseconds from receipt until the server gives up. */
  deadline: v.optional(milliseconds),
  /** 32 hexadecimal digits. */
  trace: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
  /** Streams: chunks that may be sent at once. */
  credit: v.optional(count),
});
/** Client → server: this many more chunks may be sent. */
const creditMessage = v.strictObject({ type: v.literal('credit'), id, count });
/** Client → server: the answer is no longer wanted; there will be none. */
const cancelMessage = v.strictObject({ type: v.literal('cancel'), id });

/** Server → client: the end of a request. */
const responseMessage = v.strictObject({ type: v.literal('response'), id, output: v.unknown() });
/** Server → client: one chunk of a stream. */
const chunkMessage = v.strictObject({ type: v.literal('chunk'), id, chunk: v.unknown() });
/** Server → client: the request failed. */
const errorMessage = v.strictObject({ type: v.literal('error'), id, ...errorFields });

/** Both ways: are you there? Answered with pong, whatever else goes on. */
const pingMessage = v.strictObject({ type: v.literal('ping') });
const pongMessage = v.strictObject({ type: v.literal('pong') });
/** Both ways: the last frame of a connection that is refused or given up, and why. */
export const faultMessage = v.strictObject({ type: v.literal('fault'), ...errorFields });

/** What a server accepts after hello. */
export const clientMessage = v.variant('type', [requestMessage, creditMessage, cancelMessage, pingMessage, pongMessage, faultMessage]);
export type ClientMessage = v.InferOutput<typeof clientMessage>;
export type RequestMessage = v.InferOutput<typeof requestMessage>;

/** What a client accepts after hello. */
export const serverMessage = v.variant('type', [chunkMessage, responseMessage, errorMessage, pingMessage, pongMessage, faultMessage]);
export type ServerMessage = v.InferOutput<typeof serverMessage>;
