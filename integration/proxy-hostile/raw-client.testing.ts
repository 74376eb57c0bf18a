// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type NetConnectOpts, type Socket } from 'node:net';

/** Ends a test that waits for something that never comes; liveness only. */
const DEADLINE_MILLISECONDS = 60_000;
const CRLF = '\r\n';

/** What an agent reads after it wrote `bytes` on a connection of its own, until the other side closes it. */
export function exchange(to: string | number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(placeOf(to));
    let read = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`Expected the connection to be closed within ${DEADLINE_MILLISECONDS} ms; read ${JSON.stringify(read)}`));
    }, DEADLINE_MILLISECONDS);
    socket.on('data', (piece) => (read += piece.toString('latin1')));
    // Whoever closes while we still write resets the connection: what was said before is what counts.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(read);
    });
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  });
}

/** The same until the first head has come; the socket goes on, paused. */
export async function opening(to: string | number, bytes: string): Promise<{ readonly head: string; readonly socket: Socket }> {
  const socket = connect(placeOf(to)).on('error', () => undefined);
  socket.write(Buffer.from(bytes, 'latin1'));
  const head = await new Promise<string>((resolve) => {
    let read = '';
    const end = (): void => {
      socket.off('data', take).off('close', end).pause();
      resolve(read);
    };
    const take = (piece: Buffer): void => {
      read += piece.toString('latin1');
      if (read.includes('\r\n\r\n')) end();
    };
    socket.on('data', take).once('close', end);
  });
  return { head, socket };
}

/** A request on a connection that is closed after it. */
export function oneRequest(method: string, target: string, lines: readonly string[] = [], body = ''): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: bureau', ...lines, 'Connection: close', '', body].join(CRLF);
}

/** The status codes of all answers in what was read. */
export function statuses(read: string): number[] {
  return [...read.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** The code of the problem in what was read. */
export function codeOf(read: string): string | undefined {
  return /"code":"([a-z0-9_]+)"/.exec(read)?.[1];
}

/** What stands for a careless proxy: each byte goes on as it came. */
export class PassThrough implements AsyncDisposable {
  readonly #server = createServer();
  readonly #sockets = new Set<Socket>();

  static async to(port: number): Promise<PassThrough> {
    const through = new PassThrough();
    through.#server.on('connection', (agent: Socket) => {
      const upstream = connect(port, '127.0.0.1');
      for (const socket of [agent, upstream]) {
        through.#sockets.add(socket.on('error', () => undefined));
        socket.once('close', () => [agent, upstream].forEach((each) => each.destroy()));
      }
      agent.pipe(upstream).pipe(agent);
    });
    through.#server.listen(0, '127.0.0.1');
    await once(through.#server, 'listening');
    return through;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Writes, and leaves: for what waits for more and answers nothing. */
export async function leave(to: number, bytes: string): Promise<void> {
  const socket = connect(placeOf(to)).on('error', () => undefined);
  socket.resume().end(Buffer.from(bytes, 'latin1'));
  await once(socket, 'close');
}

function placeOf(to: string | number): NetConnectOpts {
  return typeof to === 'string' ? { path: to } : { port: to, host: '127.0.0.1' };
}
