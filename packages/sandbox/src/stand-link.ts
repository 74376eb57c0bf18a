// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '@bureau/core';
import { connect, type IpcClient } from '@bureau/ipc';
import { standContract } from '@bureau/protocol';
import { NEIGHBOUR_CALL_MILLISECONDS, STAND_PAUSE } from './lifecycle-limits.ts';

export interface StandLinkDeps {
  readonly clock: Clock;
  readonly build: string;
  readonly standSocket: string;
}

/**
 * The launcher's one connection to the service manager: made ahead or at the first call, kept, and made again when it was lost, so that a
 * sandbox finds it there and a service manager that has been replaced finds its launcher.
 */
export class StandLink {
  readonly #deps: StandLinkDeps;
  #client: Promise<IpcClient<typeof standContract>> | undefined;
  #again: Timer | undefined;
  #closed = false;

  constructor(deps: StandLinkDeps) {
    this.#deps = deps;
  }

  /** Makes the connection ahead of the first call. Throws `connection_refused`. */
  async open(): Promise<void> {
    await this.#connected();
  }

  /** Resolves when whoever connects to proxy `number` waits for it and is not refused. Throws like {@link startProxy}. */
  async listenProxy(number: number, signal: AbortSignal): Promise<void> {
    const stand = await this.#connected();
    await stand.call('listenProxy', { number }, { deadlineMilliseconds: NEIGHBOUR_CALL_MILLISECONDS, signal });
  }

  /** Resolves when proxy `number` serves. Throws what the service manager says, `connection_refused`, the signal's reason. */
  async startProxy(number: number, signal: AbortSignal): Promise<void> {
    const stand = await this.#connected();
    await stand.call('startProxy', { number }, { deadlineMilliseconds: NEIGHBOUR_CALL_MILLISECONDS, signal });
  }

  /** Resolves when nothing of proxy `number` is left. Throws like {@link startProxy}. */
  async stopProxy(number: number): Promise<void> {
    const stand = await this.#connected();
    await stand.call('stopProxy', { number }, { deadlineMilliseconds: NEIGHBOUR_CALL_MILLISECONDS });
  }

  /** Closes the connection that is there; a later call makes another. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#again?.clear();
    const client = await this.#client?.catch(() => undefined);
    client?.close();
  }

  #lost(): void {
    this.#client = undefined;
    if (this.#closed) return;
    this.#again?.clear();
    this.#again = this.#deps.clock.setTimer(STAND_PAUSE, () => {
      this.#connected().catch(() => this.#lost());
    });
  }

  #connected(): Promise<IpcClient<typeof standContract>> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<IpcClient<typeof standContract>> {
    const { clock, build, standSocket } = this.#deps;
    try {
      const client = await connect({
        path: standSocket,
        contract: standContract,
        role: 'launcher',
        build,
        expectUid: 0,
        clock,
        // Fifty starts at once on a busy machine keep both ends from a greeting for longer than a healthy connection may take.
        limits: { helloMilliseconds: NEIGHBOUR_CALL_MILLISECONDS },
      });
      void client.closed.then(() => this.#lost());
      return client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }
}
