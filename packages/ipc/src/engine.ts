// SPDX-License-Identifier: Apache-2.0
/**
 * For engines: how to put another way of making and accepting connections under the same framing, calls and limits. An engine gives
 * real `net.Socket`s (peer credentials are read from their descriptors) whose bytes nobody else consumes, and is tested with
 * `ipcCompliance` of `@bureau/ipc/testing`.
 */
export { connectThrough } from './client.ts';
export type { ConnectOptions, Dial } from './client.ts';
export { serveThrough } from './server.ts';
export type { Listen, ListenAt, Listener, ListenerEvents, ServeOptions } from './server.ts';
