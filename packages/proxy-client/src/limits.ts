// SPDX-License-Identifier: Apache-2.0

/** Where a sandbox has its proxy. */
export const PROXY_SOCKET = '/run/bureau/proxy.sock';
/** Until the head of an answer is here: a model may think that long. */
export const ANSWER_MILLISECONDS = 900_000;
/** Bytes of an answer that is read as a whole. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of one event of a stream, comments and names included. */
export const EVENT_BYTES_MAX = 4 * 1024 * 1024;
/** Between two tries of a stream that broke, unless the server says otherwise. */
export const RECONNECT_MILLISECONDS = 1_000;
/** Longest pause that a server may ask for. */
export const RECONNECT_LONGEST_MILLISECONDS = 60_000;
