// SPDX-License-Identifier: Apache-2.0

/** The part of node-ipc 14.0.0 that this package and its tests touch (it ships no types). */
declare module 'node-ipc' {
  import type { Server, Socket } from 'node:net';

  /** `entities/Defaults.js` */
  export interface Config {
    appspace: string;
    socketRoot: string;
    secureSocketRoot: boolean;
    id: string;
    rawBuffer: boolean;
    parser: string;
    sync: boolean;
    unlink: boolean;
    silent: boolean;
    logPayloads: boolean;
    logger: (line: string) => void;
    maxConnections: number;
    retry: number;
    maxRetries: number;
    stopRetrying: boolean;
    tls: false;
    readableAll: boolean;
    writableAll: boolean;
  }

  /** `dao/client.js` */
  export interface Client {
    socket: Socket | false;
    retryTimer: NodeJS.Timeout | false;
    on(event: 'data', handler: (data: Buffer) => void): this;
    on(event: 'error', handler: (error: Error) => void): this;
    on(event: 'connect' | 'disconnect' | 'destroy', handler: () => void): this;
    emit(data: Buffer): boolean;
  }

  /** `dao/socketServer.js` */
  export interface SocketServer {
    server: Server | false;
    on(event: 'connect', handler: (socket: Socket) => void): this;
    start(): void;
  }

  /** `services/IPC.js` */
  export class IPCModule {
    config: Config;
    of: Record<string, Client | undefined>;
    server: SocketServer | false;
    connectTo(id: string, path: string): void;
    disconnect(id: string): void;
    serve(path: string, listening?: () => void): void;
  }
}
