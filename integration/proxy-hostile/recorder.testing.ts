// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** What it does with a request that has come in whole. */
export type RawAnswer = (request: { readonly head: string; readonly body: string; readonly socket: Socket }) => void;

const OK = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok';

/** An upstream that keeps every byte it is sent, counts connections and requests, and answers by hand. */
export class Recorder implements AsyncDisposable {
  /** Every byte of every connection, in the order in which it came. */
  bytes = '';
  connections = 0;
  /** Whole requests, as a strict reader frames them. */
  requests = 0;
  answer: RawAnswer = ({ socket }) => socket.write(OK);
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(tls: TlsOptions | undefined) {
    const serve = (socket: Socket): void => this.#serve(socket);
    this.#server = tls === undefined ? createServer({ noDelay: true }, serve) : createTlsServer(tls, serve);
    // A handshake that fails is an attack that was refused.
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(options: { readonly host?: string; readonly port?: number; readonly tls?: TlsOptions } = {}): Promise<Recorder> {
    const recorder = new Recorder(options.tls);
    recorder.#server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
    await once(recorder.#server, 'listening');
    // A test file that failed to start ends all the same.
    recorder.#server.unref();
    return recorder;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Lines that are the first of a request to whoever reads leniently: what smuggling is after. */
  get requestLines(): string[] {
    return this.bytes.split(/\r\n|\n/).filter((line) => /^[A-Z]+ \S+ HTTP\/1\.[01]$/.test(line));
  }

  /** Forgets what came. */
  reset(): void {
    this.bytes = '';
    this.connections = 0;
    this.requests = 0;
    this.answer = ({ socket }) => socket.write(OK);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.toString('latin1');
      text += chunk.toString('latin1');
      for (let size = wholeRequest(text); size > 0; size = wholeRequest(text)) {
        const end = text.indexOf('\r\n\r\n') + 4;
        const [head, body] = [text.slice(0, end), text.slice(end, size)];
        text = text.slice(size);
        this.requests += 1;
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
  if (text.startsWith('0\r\n', end + 4)) return text.indexOf('\r\n\r\n', end + 4) === -1 ? 0 : text.indexOf('\r\n\r\n', end + 4) + 4;
  const last = text.indexOf('\r\n0\r\n', end + 2);
  const close = last === -1 ? -1 : text.indexOf('\r\n\r\n', last + 2);
  return close === -1 ? 0 : close + 4;
}

/** Header lines of the last request in `bytes`: names in lower case, and values. */
export function headersOf(head: string): [name: string, value: string][] {
  const lines = head.slice(0, head.indexOf('\r\n\r\n')).split('\r\n').slice(1);
  return lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]);
}
