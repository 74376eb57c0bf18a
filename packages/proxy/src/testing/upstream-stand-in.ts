// SPDX-License-Identifier: Apache-2.0
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What an upstream does with a request that has come in whole: `head` and `body` are the very bytes. */
export type RawAnswer = (request: { readonly head: string; readonly body: string; readonly socket: Socket }) => void;

/** An upstream that keeps every byte it was sent and answers by hand. */
export class UpstreamStandIn implements AsyncDisposable {
  /** Each request's bytes, head and body, in order. */
  readonly seen: string[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  answer: RawAnswer = ({ socket }) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok');
  /** Called with each connection before a byte of it is read. */
  onSocket: ((socket: Socket) => void) | undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  static async start(path?: string): Promise<UpstreamStandIn> {
    const upstream = new UpstreamStandIn();
    await new Promise<void>((resolve, reject) => {
      upstream.#server.once('error', reject);
      if (path === undefined) upstream.#server.listen(0, '127.0.0.1', resolve);
      else upstream.#server.listen(path, resolve);
    });
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.sockets.delete(socket));
    let text = '';
    if (this.onSocket !== undefined) return this.onSocket(socket);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let size = wholeRequest(text); size > 0; size = wholeRequest(text)) {
        const end = text.indexOf('\r\n\r\n') + 4;
        const [head, body] = [text.slice(0, end), text.slice(end, size)];
        this.seen.push(text.slice(0, size));
        text = text.slice(size);
        this.answer({ head, body, socket });
      }
    });
  }
}

/** How many characters the first request of `text` has, or 0 when it is not whole. */
function wholeRequest(text: string): number {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return 0;
  const head = text.slice(0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return text.length >= end + 4 + Number(length) ? end + 4 + Number(length) : 0;
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return end + 4;
  const last = text.indexOf('\r\n0\r\n\r\n', end + 2);
  return last === -1 ? (text.startsWith('0\r\n\r\n', end + 4) ? end + 9 : 0) : last + 7;
}
