// SPDX-License-Identifier: Apache-2.0

/** Every bound of a connection, each with its reason. Both ends may choose their own; the stricter one wins. */
export interface IpcLimits {
  /** Largest frame in either direction, its length prefix excluded. A bundle has 256 KiB, a terminal chunk 64 KiB. */
  readonly maxFrameBytes: number;
  /** Deepest nesting of maps and arrays in a frame; our deepest shape has 9. Bounds the stack of decoder and validation. */
  readonly maxDepth: number;
  /** Most values (keys, scalars, containers) in a frame: a frame of empty maps would grow twentyfold as objects. */
  readonly maxValues: number;
  /** Bytes that wait for a slow peer before we stop reading from it and stop pulling its streams. */
  readonly backlogBytes: number;
  /**
   * Bytes that wait for a slow peer: a server cuts it off beyond this, a client refuses requests (`too_busy`) beyond half of it. Some
   * frames above `backlogBytes`.
   */
  readonly maxQueuedBytes: number;
  /** Requests of one connection that run at once; more are answered `too_busy`. */
  readonly maxConcurrent: number;
  /** Connections of one server at once; more are told `too_busy` and closed. */
  readonly maxConnections: number;
  /** Chunks that a client lets a server send ahead of its own reading. Times the largest chunk: memory of one stream. */
  readonly streamCredit: number;
  /** Most credit that a server keeps for one stream: between two looks at the event loop it sends no more chunks than this. */
  readonly maxStreamCredit: number;
  /** From connect to the peer's hello. */
  readonly helloMilliseconds: number;
  /** Deadline of a call that names none. */
  readonly callMilliseconds: number;
  /** Longest deadline that may be asked for: a day. */
  readonly maxCallMilliseconds: number;
  /** Silence before a ping; after a second one a warning; after a third the connection is lost. */
  readonly heartbeatMilliseconds: number;
  /** What a closing server gives to calls that run, and an ended connection to its last bytes. */
  readonly drainMilliseconds: number;
}

export const DEFAULT_LIMITS: IpcLimits = {
  maxFrameBytes: 1024 * 1024,
  maxDepth: 24,
  maxValues: 100_000,
  backlogBytes: 256 * 1024,
  maxQueuedBytes: 8 * 1024 * 1024,
  maxConcurrent: 256,
  maxConnections: 256,
  streamCredit: 64,
  maxStreamCredit: 1_024,
  helloMilliseconds: 5_000,
  callMilliseconds: 30_000,
  maxCallMilliseconds: 86_400_000,
  heartbeatMilliseconds: 10_000,
  drainMilliseconds: 5_000,
};

/** Longest message of an error on the wire, in UTF-16 units; the rest is cut. */
export const ERROR_MESSAGE_MAX = 2_000;
/** Fields, and characters of each, in the data of an error on the wire. */
export const ERROR_DATA_FIELDS_MAX = 32;
export const ERROR_DATA_TEXT_MAX = 1_000;
/** Entries of a list in the data of an error on the wire. */
export const ERROR_DATA_LIST_MAX = 64;
/** First size of an outgoing buffer; it doubles while a turn of the event loop fills it, up to the second number. */
export const OUTBOX_FIRST_BYTES = 4 * 1024;
export const OUTBOX_BATCH_BYTES = 64 * 1024;

/** Defaults with some of them replaced. */
export function withDefaults(limits: Partial<IpcLimits> | undefined): IpcLimits {
  return { ...DEFAULT_LIMITS, ...limits };
}
