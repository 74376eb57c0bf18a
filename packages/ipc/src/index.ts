// SPDX-License-Identifier: Apache-2.0
/**
 * Typed remote calls between the processes of one machine: frames of uint32 big-endian length and msgpack on a Unix socket, hello in
 * both directions, calls, streams with flow control, cancel, deadlines, heartbeat, peers checked by the kernel's word. A contract of
 * `@bureau/protocol` gives the types and is checked where a value arrives. Byte strings that arrive are views of the receive buffer:
 * copy what you keep.
 *
 * @example
 * ```ts
 * import { connect, serve } from '@bureau/ipc';
 * import { standContract } from '@bureau/protocol';
 *
 * await using server = await serve({ fd: 3, contract: standContract, handlers, role: 'stand', build, allowUids: [0], clock, logger });
 * using client = await connect({ path, contract: standContract, role: 'cli', build, expectUid: 0, clock });
 * const { pid } = await client.call('startProxy', { number: 3 }, { deadlineMilliseconds: 5_000 });
 * ```
 */
export { serve } from './server.ts';
export type { IpcServer, ServeOptions } from './server.ts';
export { connect } from './client.ts';
export type { CallInput, ConnectOptions, IpcClient } from './client.ts';
export type { RequestOptions } from './client-connection.ts';
export type { IpcStream } from './client-stream.ts';
export type { CallContext, CallHandler, ConnectionHandle, Handlers, Peer, StreamHandler } from './handlers.ts';
export { DEFAULT_LIMITS } from './limits.ts';
export type { IpcLimits } from './limits.ts';
export type { Log } from './log.ts';
export { encodeFrame, readFrames } from './pipe-frames.ts';
