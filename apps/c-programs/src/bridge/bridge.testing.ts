// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A running bridge with what it printed on stderr; a sanitizer would speak there. */
export interface RunningBridge {
  readonly port: number;
  readonly child: ChildProcess;
  readonly said: () => string;
}

/** A directory of the test's own. */
export function directoryOf(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-bridge-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** What stands where the proxy would: each connection goes to `serve`. */
export async function serveUnix(context: TestContext, path: string, serve: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen({ path, backlog: 2_000 });
  await once(server, 'listening');
  context.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return server;
}

/** Starts a bridge on a free port; it ends with the test, with 143 and without a word. */
export async function startBridge(context: TestContext, program: string, socket: string): Promise<RunningBridge> {
  const child = spawn(program, ['--listen=127.0.0.1:0', '--socket', socket], { stdio: ['ignore', 'ignore', 'pipe'], env: {} });
  let said = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => (said += text));
  context.after(async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'close');
    }
  });
  while (!said.includes('\n'))
    await Promise.race([once(child.stderr, 'data'), once(child, 'close').then(() => Promise.reject(new Error(said)))]);
  const port = Number(/listening on 127\.0\.0\.1:([0-9]+)/.exec(said)?.[1]);
  said = '';
  return { port, child, said: () => said };
}

/** A client of the bridge that keeps its own side open when the other ends. */
export async function dial(context: TestContext, port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  context.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Everything until the other side's end. Not `for await`: that would close our own side as well. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  await once(socket, 'end');
  return Buffer.concat(parts);
}
