// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '@bureau/core';

/** One server-sent event; `data` is written as JSON, on one line. https://html.spec.whatwg.org/multipage/server-sent-events.html */
export interface ServerSentEvent {
  /** What the client sends as `Last-Event-ID` when it comes back; absent: the one before stays. Without line ends. */
  readonly id?: string;
  readonly event: string;
  readonly data: unknown;
}

/**
 * One answer of server-sent events. It has no end of its own: it lasts until the agent goes, and a comment every
 * `heartbeatMilliseconds` keeps whatever lies between from taking it for dead.
 */
export class EventStream implements Disposable {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  readonly #heartbeatMilliseconds: number;
  readonly #gone: AbortSignal;
  #timer: Timer | undefined;
  #bytes = 0;

  constructor(response: ServerResponse, options: { clock: Clock; heartbeatMilliseconds: number; gone: AbortSignal }) {
    this.#response = response;
    this.#clock = options.clock;
    this.#heartbeatMilliseconds = options.heartbeatMilliseconds;
    this.#gone = options.gone;
  }

  /** Bytes of body written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True when the head has been written: from here on a failure can only end the connection. */
  get opened(): boolean {
    return this.#timer !== undefined;
  }

  /** Writes the head. Until then what is thrown becomes an ordinary problem. */
  open(): void {
    if (this.opened) return;
    this.#response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    this.#response.flushHeaders();
    this.#beat();
  }

  /** Resolves when the agent can take more; rejects when it has gone. A slow reader slows the source, and no memory fills. */
  async send({ id, event, data }: ServerSentEvent): Promise<void> {
    const head = id === undefined ? `event: ${event}\n` : `event: ${event}\nid: ${id}\n`;
    await this.#write(`${head}data: ${JSON.stringify(data)}\n\n`);
  }

  [Symbol.dispose](): void {
    this.#timer?.clear();
    if (this.opened) this.#response.end();
  }

  #beat(): void {
    this.#timer = this.#clock.setTimer(this.#heartbeatMilliseconds, () => {
      // Nothing is added to a buffer that the agent does not empty: its silence is then seen by the server's own time limit.
      if (!this.#response.writableNeedDrain) this.#response.write(': \n\n');
      this.#beat();
    });
  }

  #write(text: string): Promise<void> {
    this.#gone.throwIfAborted();
    this.#bytes += Buffer.byteLength(text);
    if (this.#response.write(text)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onDrain = (): void => {
        this.#gone.removeEventListener('abort', onGone);
        resolve();
      };
      const onGone = (): void => {
        this.#response.off('drain', onDrain);
        reject(this.#gone.reason);
      };
      this.#response.once('drain', onDrain);
      this.#gone.addEventListener('abort', onGone, { once: true });
    });
  }
}
