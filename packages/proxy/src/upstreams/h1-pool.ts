// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';
import type { Dialler } from './dial.ts';
import { UpstreamFailure } from './failure.ts';
import { H1Connection } from './h1-connection.ts';
import { IdleConnections } from './idle-connections.ts';

export interface H1PoolOptions {
  readonly dialler: Dialler;
  readonly clock: Clock;
  /** Most connections, busy ones included. */
  readonly connections: number;
  readonly headMost: number;
  /** How long a call may wait for a connection when all are busy. */
  readonly waitMilliseconds: number;
}

/** Told once: a connection that is the caller's until its answer has ended, or why there is none. */
export type Acquired = (connection: H1Connection | undefined, failure: UpstreamFailure | undefined) => void;

interface Waiter {
  readonly done: Acquired;
  readonly timer: Timer;
}

/** The kept connections to one upstream under one set of keys; the one used last is used first. */
export class H1Pool {
  readonly #options: H1PoolOptions;
  readonly #idle: IdleConnections;
  readonly #all = new Set<H1Connection>();
  readonly #opening = new Set<{ destroy(): void }>();
  readonly #waiting: Waiter[] = [];
  readonly #events: { readonly headMost: number; readonly onFree: (c: H1Connection) => void; readonly onGone: (c: H1Connection) => void };

  constructor(options: H1PoolOptions) {
    this.#options = options;
    this.#idle = new IdleConnections(options.clock, options.connections);
    this.#events = {
      headMost: options.headMost,
      onFree: (connection) => this.#free(connection),
      onGone: (connection) => this.#gone(connection),
    };
  }

  /** A kept connection that is free now. */
  idle(): H1Connection | undefined {
    return this.#idle.take();
  }

  /** A new connection, or the first that is free when there may be no more. Gives a way to give up, after which nothing is told. */
  acquire(done: Acquired): () => void {
    if (this.#all.size + this.#opening.size >= this.#options.connections) return this.#wait(done);
    let over = false;
    let connection: H1Connection | undefined;
    const socket = this.#options.dialler.open(
      (failure, opened) => {
        this.#opening.delete(socket);
        if (over) return;
        over = true;
        if (failure !== undefined) return done(undefined, failure);
        connection = new H1Connection(opened, this.#events);
        this.#all.add(connection);
        done(connection, undefined);
      },
      (bytes) => connection?.read(bytes),
    );
    this.#opening.add(socket);
    return () => {
      over = true;
      this.#opening.delete(socket);
      socket.destroy();
    };
  }

  /** Closes what is idle; what is busy is closed when it is free. */
  close(): void {
    this.#idle.close();
  }

  /** Cuts every connection. */
  destroy(): void {
    this.close();
    for (const socket of this.#opening) socket.destroy();
    for (const connection of this.#all) connection.abort();
  }

  #wait(done: Acquired): () => void {
    const { clock, waitMilliseconds, connections } = this.#options;
    const leave = (): void => {
      waiter.timer.clear();
      const index = this.#waiting.indexOf(waiter);
      if (index !== -1) this.#waiting.splice(index, 1);
    };
    const timer = clock.setTimer(waitMilliseconds, () => {
      leave();
      done(undefined, new UpstreamFailure('busy', `limit upstreamConnections: ${connections}`));
    });
    const waiter = { done, timer };
    this.#waiting.push(waiter);
    return leave;
  }

  #free(connection: H1Connection): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.timer.clear();
      // Not within the end of another answer: that one goes out first.
      queueMicrotask(() => (connection.gone ? this.#again(waiter.done) : waiter.done(connection, undefined)));
      return;
    }
    this.#idle.keep(connection);
  }

  #again(done: Acquired): void {
    this.acquire(done);
  }

  #gone(connection: H1Connection): void {
    this.#all.delete(connection);
    this.#idle.forget(connection);
    const waiter = this.#waiting.shift();
    if (waiter === undefined) return;
    waiter.timer.clear();
    this.acquire(waiter.done);
  }
}
