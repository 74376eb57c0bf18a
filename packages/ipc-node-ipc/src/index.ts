// SPDX-License-Identifier: Apache-2.0
/**
 * `serve` and `connect` of `@bureau/ipc` on connections that node-ipc 14.0.0 makes and accepts. Frames, calls, limits, peers and errors
 * are those of `@bureau/ipc`, byte for byte; either end may be of either engine, and one compliance suite holds both.
 *
 * For unprivileged processes only, never the launcher or the stand (`script/check layers`, `ledger`); why, and where it is used, says
 * `docs/adr/0008-node-ipc.md`. `connect` may stand everywhere; `serve` takes a `path` and no `fd`, since node-ipc cannot listen on an
 * inherited descriptor: it replaces a dead socket, and rejects with `EADDRINUSE` when somebody listens there.
 *
 * @example
 * ```ts
 * import { connect } from '@bureau/ipc-node-ipc';
 * import { relayContract } from '@bureau/protocol';
 *
 * using client = await connect({ path, contract: relayContract, role: 'daemon', build, expectUid: 0, clock });
 * ```
 */
import type { IpcClient, IpcServer, ServeOptions } from '@bureau/ipc';
import { DEFAULT_LIMITS } from '@bureau/ipc';
import { connectThrough, serveThrough, type ConnectOptions } from '@bureau/ipc/engine';
import type { Contract } from '@bureau/protocol';
import { dial } from './dial.ts';
import { listenWith } from './listen.ts';

/** Of those who are one too many, so many at once are told so (`too_busy`) for each that is served. */
const REFUSED_PER_CONNECTION = 1;

/** As `serve` of `@bureau/ipc`, by `path` only; with `fd` it rejects with a TypeError. */
export function serve<C extends Contract>(options: ServeOptions<C>): Promise<IpcServer> {
  const maxConnections = options.limits?.maxConnections ?? DEFAULT_LIMITS.maxConnections;
  return serveThrough(listenWith(maxConnections * (1 + REFUSED_PER_CONNECTION)), options);
}

/** As `connect` of `@bureau/ipc`. */
export function connect<C extends Contract>(options: ConnectOptions<C>): Promise<IpcClient<C>> {
  return connectThrough(dial, options);
}
