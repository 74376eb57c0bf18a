// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { BureauError, type Clock, type Timer } from '@bureau/core';
import { Codec } from './codec.ts';
import { connectionLost, malformed, toWire } from './errors.ts';
import { FrameDecoder } from './frame-decoder.ts';
import type { IpcLimits } from './limits.ts';
import type { Log } from './log.ts';
import { Outbox } from './outbox.ts';

/** What a link tells its owner. */
export interface LinkEvents {
  /** One decoded frame. What this throws is told to the peer and ends the link. */
  message(message: unknown): void;
  /** Once, when nothing more will come; `reason` has a code. */
  closed(reason: BureauError): void;
}

export interface LinkOptions {
  readonly limits: IpcLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: LinkEvents;
  /**
   * Stop reading while the peer does not: for servers, whose answers grow with what they read. Never on both ends of one link, which
   * could then wait for each other.
   */
  readonly pauseWhenBacklogged: boolean;
}

/** Beats of silence: ping, then warn, then lost. */
const LOST_AFTER_BEATS = 3;

/**
 * One connected socket as a pair of message queues: framing, codec, bounded writing, heartbeat. Knows nothing of requests.
 * Any engine that has a `net.Socket` can be under it.
 */
export class Link {
  readonly #socket: Socket;
  readonly #limits: IpcLimits;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: LinkEvents;
  readonly #pauseWhenBacklogged: boolean;
  readonly #codec: Codec;
  readonly #decoder: FrameDecoder;
  readonly #outbox: Outbox;
  #beat: Timer | undefined;
  #linger: Timer | undefined;
  #heard = true;
  #silentBeats = 0;
  #framesAtBeat = 0;
  #stuckBeats = 0;
  /** Set once the link is over, with why. */
  #reason: BureauError | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  readonly #gone = Promise.withResolvers<void>();

  constructor(socket: Socket, options: LinkOptions) {
    this.#socket = socket;
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#events = options.events;
    this.#pauseWhenBacklogged = options.pauseWhenBacklogged;
    this.#codec = new Codec(options.limits);
    this.#decoder = new FrameDecoder(options.limits.maxFrameBytes, (bytes, start, end) => this.#onFrame(bytes, start, end));
    this.#outbox = new Outbox(socket);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#onDrain());
    // Half-open is closed: who no longer sends takes no part in requests and answers.
    socket.on('end', () => this.destroy(connectionLost('the peer closed it')));
    socket.on('error', (error) => this.#finish(connectionLost(error.message, error)));
    socket.on('close', () => this.#onClose());
    this.#scheduleBeat();
  }

  get closed(): boolean {
    return this.#reason !== undefined;
  }

  /** Resolves when the socket is closed: after `end`, when the peer has taken everything or the drain time is over. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** True when so much waits for the peer that no more should be produced for it. */
  get backlogged(): boolean {
    return this.#socket.writableLength > this.#limits.backlogBytes && this.#socket.writableNeedDrain;
  }

  /** Bytes that the peer has not taken. */
  get queued(): number {
    return this.#outbox.queued;
  }

  /**
   * Queues one message. Throws `connection_lost` on a closed link, and `frame_too_large` or `malformed_frame` for a message that the
   * peer would refuse; nothing is sent then.
   */
  send(message: object): void {
    if (this.#reason !== undefined) throw this.#reason;
    this.#codec.encode(message, this.#outbox.add);
    if (this.#outbox.queued <= this.#limits.backlogBytes) return;
    this.#outbox.flush();
    if (!this.backlogged) return;
    if (this.#socket.writableLength > this.#limits.maxQueuedBytes) {
      return this.destroy(connectionLost(`the peer does not read; ${this.#socket.writableLength} bytes wait for it`));
    }
    if (this.#pauseWhenBacklogged) this.#socket.pause();
  }

  /** Resolves when the peer has read enough, or the link is over. */
  whenWritable(): Promise<void> {
    if (!this.backlogged || this.#reason !== undefined) return Promise.resolve();
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  /** Tells the peer why, and ends the link. */
  fault(error: BureauError): void {
    if (this.#reason !== undefined) return;
    try {
      this.send({ type: 'fault', ...toWire(error) });
    } catch {
      // The link is ended next in any case.
    }
    this.end(error);
  }

  /**
   * Ends the link when the peer has what was queued, or after the drain time. Only our direction is shut: on a closed socket the peer's
   * next message (a credit, a pong) would fail, and its failed write would throw away what it has not read yet.
   */
  end(reason: BureauError): void {
    if (this.#reason !== undefined) return;
    this.#outbox.flush();
    this.#linger = this.#clock.setTimer(this.#limits.drainMilliseconds, () => this.#socket.destroy());
    this.#socket.end();
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#finish(reason);
  }

  /** Ends the link now; what is queued is lost. */
  destroy(reason: BureauError): void {
    this.#socket.destroy();
    this.#finish(reason);
  }

  #onData(chunk: Buffer): void {
    if (this.#reason !== undefined) return;
    this.#heard = true;
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#refuse(error);
    }
    // What was answered at once need not wait for the end of the turn.
    this.#outbox.flush();
  }

  #onFrame(bytes: Buffer, start: number, end: number): void {
    // An earlier frame of the same chunk may have ended the link.
    if (this.#reason !== undefined) return;
    this.#events.message(this.#codec.decode(bytes, start, end));
  }

  #refuse(error: unknown): void {
    if (error instanceof BureauError) return this.fault(error);
    this.#log.error({ error }, 'ipc: a message could not be processed');
    this.fault(new BureauError('internal', 'The connection was given up after an internal error; see the log.'));
  }

  #onDrain(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  #onClose(): void {
    this.#linger?.clear();
    this.#finish(connectionLost('the peer closed it'));
    this.#gone.resolve();
  }

  #finish(reason: BureauError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#beat?.clear();
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#events.closed(reason);
  }

  #scheduleBeat(): void {
    this.#beat = this.#clock.setTimer(this.#limits.heartbeatMilliseconds, () => this.#onBeat());
  }

  #onBeat(): void {
    if (this.#refuseSlowFrame()) return;
    this.#silentBeats = this.#heard ? 0 : this.#silentBeats + 1;
    this.#heard = false;
    if (this.#silentBeats >= LOST_AFTER_BEATS) {
      return this.destroy(connectionLost(`the peer was silent for ${this.#silentBeats * this.#limits.heartbeatMilliseconds} ms`));
    }
    if (this.#silentBeats === LOST_AFTER_BEATS - 1) this.#log.warn({ beats: this.#silentBeats }, 'ipc: the peer does not answer a ping');
    if (this.#silentBeats > 0) this.send({ type: 'ping' });
    if (this.#reason === undefined) this.#scheduleBeat();
  }

  /** A frame that was begun has two beats to arrive: a peer must not hold memory by sending a byte now and then. */
  #refuseSlowFrame(): boolean {
    const stuck = this.#decoder.pending && this.#decoder.frames === this.#framesAtBeat && !this.#socket.isPaused();
    this.#framesAtBeat = this.#decoder.frames;
    this.#stuckBeats = stuck ? this.#stuckBeats + 1 : 0;
    if (this.#stuckBeats < 2) return false;
    this.fault(malformed('it was begun and did not arrive in time'));
    return true;
  }
}
