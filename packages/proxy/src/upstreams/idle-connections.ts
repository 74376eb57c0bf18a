// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';
import type { H1Connection } from './h1-connection.ts';

/** How often idle connections are looked at, in milliseconds. */
const SWEEP_MILLISECONDS = 2_000;

/** Connections that are kept for a next call; the one used last is used first, and none longer than its server keeps it. */
export class IdleConnections {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #kept: H1Connection[] = [];
  #sweep: Timer | undefined;
  #closed = false;

  /** Above `most` the one that was idle longest is closed. */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** One that is usable and fits; the caller's from now on. */
  take(fits?: (connection: H1Connection) => boolean): H1Connection | undefined {
    const now = this.#clock.monotonic();
    for (let index = this.#kept.length - 1; index >= 0; index -= 1) {
      const connection = this.#kept[index] as H1Connection;
      if (fits !== undefined && !fits(connection)) continue;
      this.#kept.splice(index, 1);
      if (!connection.gone && now - connection.idleSince < connection.usableFor) return connection;
      connection.abort();
    }
    return undefined;
  }

  /** Keeps one whose answer has ended. */
  keep(connection: H1Connection): void {
    if (this.#closed) return connection.abort();
    connection.idleSince = this.#clock.monotonic();
    this.#kept.push(connection);
    if (this.#kept.length > this.#most) this.#kept.shift()?.abort();
    this.#sweep ??= this.#clock.setTimer(SWEEP_MILLISECONDS, () => this.#sweepIdle());
  }

  /** It has ended by itself. */
  forget(connection: H1Connection): void {
    const index = this.#kept.indexOf(connection);
    if (index !== -1) this.#kept.splice(index, 1);
  }

  /** Closes them, and whatever is to be kept from now on. */
  close(): void {
    this.#closed = true;
    this.#sweep?.clear();
    for (const connection of this.#kept.splice(0)) connection.abort();
  }

  #sweepIdle(): void {
    this.#sweep = undefined;
    const now = this.#clock.monotonic();
    for (const connection of [...this.#kept]) if (now - connection.idleSince >= connection.usableFor) connection.abort();
    if (this.#kept.length > 0) this.#sweep = this.#clock.setTimer(SWEEP_MILLISECONDS, () => this.#sweepIdle());
  }
}
