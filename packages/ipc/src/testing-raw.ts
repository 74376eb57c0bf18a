// SPDX-License-Identifier: Apache-2.0
import { createServer, connect as connectSocket, type Server, type Socket } from 'node:net';
import { Packr } from 'msgpackr/pack';

/** A frame as anybody may write it: prefix and msgpack, made without this package. */
export function rawFrame(value: unknown): Buffer {
  return rawBytesFrame(new Packr({ useRecords: false }).pack(value));
}

/** A frame around arbitrary bytes; `claim` lies about their length. */
export function rawBytesFrame(body: Uint8Array, claim: number = body.length): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(claim);
  return Buffer.concat([prefix, body]);
}

export const rawHello = { type: 'hello', protocol: 1, build: 'raw', role: 'raw' };

/** What a raw peer got, loosely. */
export interface RawMessage {
  readonly type: string;
  readonly id?: number;
  readonly code?: string;
  readonly message?: string;
  readonly [field: string]: unknown;
}

/** A bare socket that speaks frames by its own decoder: the other end of every test of hostile input. */
export class RawPeer implements Disposable {
  readonly socket: Socket;
  readonly messages: RawMessage[] = [];
  /** Resolves when the socket is gone, however it went. */
  readonly closed: Promise<void>;
  #bytes = Buffer.alloc(0);
  #pongs = 0;
  readonly #waiting = new Set<{ wants(message: RawMessage): boolean; resolve(message: RawMessage): void; reject(error: Error): void }>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    void this.closed.then(() => {
      for (const waiter of this.#waiting) waiter.reject(new Error(`closed before the message came; got ${JSON.stringify(this.messages)}`));
    });
  }

  /** Connects; with `hello` the connection is ready for requests. */
  static async connect(path: string, options: { readonly hello: boolean }): Promise<RawPeer> {
    const socket = connectSocket({ path });
    const peer = new RawPeer(socket);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    if (options.hello) {
      peer.send(rawHello);
      await peer.settled();
    }
    return peer;
  }

  /** Resolves when the other side has read all that was sent so far, and answered what it answers at once. */
  async settled(): Promise<void> {
    const pongs = this.#pongs;
    this.send({ type: 'ping' });
    await this.next('pong', () => this.#pongs > pongs);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  send(value: unknown): void {
    this.socket.write(rawFrame(value));
  }

  /** The first message of this type, past or future. Rejects when the socket closes without one. */
  next(type: string, wants: (message: RawMessage) => boolean = () => true): Promise<RawMessage> {
    const fits = (message: RawMessage): boolean => message.type === type && wants(message);
    const found = type === 'pong' ? undefined : this.messages.find(fits);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve, reject) => void this.#waiting.add({ wants: fits, resolve, reject }));
  }

  #onData(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readUInt32BE(0)) {
      const end = 4 + this.#bytes.readUInt32BE(0);
      this.#take(new Packr({ useRecords: false }).unpack(Buffer.from(this.#bytes.subarray(4, end))) as RawMessage);
      this.#bytes = this.#bytes.subarray(end);
    }
  }

  #take(message: RawMessage): void {
    if (message.type === 'pong') this.#pongs += 1;
    this.messages.push(message);
    for (const waiter of this.#waiting) {
      if (!waiter.wants(message)) continue;
      this.#waiting.delete(waiter);
      waiter.resolve(message);
    }
  }
}

/** A bare listener; each peer that connects is handed to `onPeer`. */
export async function rawServer(path: string, onPeer: (peer: RawPeer) => void): Promise<AsyncDisposable & { readonly server: Server }> {
  const peers = new Set<RawPeer>();
  const server = createServer((socket) => {
    const peer = new RawPeer(socket);
    peers.add(peer);
    onPeer(peer);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    server,
    [Symbol.asyncDispose]: async () => {
      for (const peer of peers) peer.socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
