// SPDX-License-Identifier: Apache-2.0
import { IPCModule } from 'node-ipc';

/**
 * A node-ipc of its own for one connection or one listener (its settings are shared by all that an instance makes, and the instance
 * that the module exports is shared by a whole process), with everything off but what connects and accepts.
 */
export function createNodeIpc(maxConnections: number): IPCModule {
  const ipc = new IPCModule();
  Object.assign(ipc.config, {
    // Bytes as they come; the framing and its limits are those of @bureau/ipc.
    rawBuffer: true,
    parser: 'raw',
    sync: false,
    // The default removes the socket of a live listener; `placeSocket` removes dead ones.
    unlink: false,
    // The default connects again for ever, and continues an old half frame with the bytes of another connection.
    maxRetries: 0,
    stopRetrying: true,
    // The default writes to the console, payloads not included.
    silent: true,
    logger: ignore,
    logPayloads: false,
    // The default drops the 101st connection without a word.
    maxConnections,
    // A path below the default root would have the root's mode changed. Nothing is below this one.
    socketRoot: '/dev/null/no-socket-is-here',
    secureSocketRoot: false,
    // The default says the name of the machine.
    id: '',
    tls: false,
    // Modes are the caller's.
    readableAll: false,
    writableAll: false,
  } satisfies Partial<IPCModule['config']>);
  return ipc;
}

function ignore(): void {}
