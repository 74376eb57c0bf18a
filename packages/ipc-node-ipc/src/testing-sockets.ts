// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { linkSync, mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CallContract } from '@bureau/protocol';
import { call, integer } from '@bureau/protocol';
import { systemClock } from '@bureau/process';
import * as v from 'valibot';
import { IPCModule } from 'node-ipc';

/** A directory that goes away with its block. */
export interface Scratch extends Disposable {
  readonly directory: string;
  readonly path: string;
}

export function scratch(): Scratch {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-node-ipc-'));
  return { directory, path: join(directory, 'a.sock'), [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

const empty = v.strictObject({});
const methods = { number: call(empty, v.strictObject({ number: integer(0, 1_000_000) })) } satisfies Record<string, CallContract>;

/** A service that says its number, and how to reach it. */
const numberContract = { name: 'number', methods } as const;
export const asClient = { contract: numberContract, role: 'client', build: 'b', clock: systemClock } as const;

export function numberServer(number: number) {
  return {
    contract: numberContract,
    handlers: { number: () => ({ number }) },
    role: 'server',
    build: 'b',
    allowUids: [process.getuid?.() ?? 0],
    clock: systemClock,
  } as const;
}

/** node-ipc as it comes, only quiet and with raw bytes: what the tests show to be dangerous. */
export function defaultNodeIpc(): IPCModule {
  const ipc = new IPCModule();
  ipc.config.silent = true;
  ipc.config.rawBuffer = true;
  return ipc;
}

/** A bare listener, whose connections end with it. */
export async function bareServer(
  path: string,
  onSocket: (socket: Socket) => void,
): Promise<AsyncDisposable & { readonly accepted: number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    get accepted() {
      return sockets.length;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Leaves at `path` what a killed server leaves: a socket that nobody listens at. */
export async function leaveDeadSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}-`, resolve));
  linkSync(`${path}-`, path);
  await new Promise((resolve) => server.close(resolve));
}

/** Starts the server of a node-ipc; its connections end with it. */
export async function startServer(ipc: IPCModule, path: string, onSocket: (socket: Socket) => void): Promise<AsyncDisposable> {
  ipc.serve(path);
  if (ipc.server === false) throw new Error('no server');
  const sockets: Socket[] = [];
  ipc.server.on('connect', (socket) => {
    sockets.push(socket);
    onSocket(socket);
  });
  ipc.server.start();
  const { server } = ipc.server;
  if (server === false) throw new Error('no server');
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The first byte that a listener says, or the error code of connecting; empty when it closes without a word. */
export function firstWord(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectSocket({ path });
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.once('end', () => {
      socket.destroy();
      resolve('');
    });
  });
}
