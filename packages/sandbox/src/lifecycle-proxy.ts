// SPDX-License-Identifier: Apache-2.0
import { describeError, type Clock, type PrincipalName, type Timer } from '@bureau/core';
import { connect, type IpcClient } from '@bureau/ipc';
import type { Logger } from '@bureau/log';
import { proxyContract, standContract } from '@bureau/protocol';
import type { LauncherCredentials } from './launcher-credentials.ts';
import { NEIGHBOUR_CALL_MILLISECONDS, PROXY_PAUSE_FIRST, PROXY_PAUSE_LONGEST } from './lifecycle-limits.ts';

export interface ProxyLinkDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly build: string;
  readonly standSocket: string;
  readonly adminSocket: string;
  /** The uid that must answer on the admin socket before it is told a secret. */
  readonly proxyUid: number;
  readonly credentials: LauncherCredentials;
}

/**
 * Keeps one principal's proxy running and holding its keys: asks the service manager for it by number, feeds it over its admin
 * socket, and does both again when it dies.
 */
export class ProxyLink {
  readonly #principal: PrincipalName;
  readonly #number: number;
  readonly #deps: ProxyLinkDeps;
  #client: IpcClient<typeof proxyContract> | undefined;
  #restarts = 0;
  #pause = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(principal: PrincipalName, number: number, deps: ProxyLinkDeps) {
    this.#principal = principal;
    this.#number = number;
    this.#deps = deps;
  }

  /** Times that the proxy was started again after its first start. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Resolves when the proxy serves with the last accepted bundle. Also the way to rotate: it feeds again. */
  async bringUp(): Promise<void> {
    if (this.#client === undefined) await this.#connect();
    await this.#feed();
  }

  /** Stops the proxy; resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.release();
    await this.#stand((stand) => stand.call('stopProxy', { number: this.#number }, { deadlineMilliseconds: NEIGHBOUR_CALL_MILLISECONDS }));
  }

  /** Lets go of the proxy without stopping it. */
  release(): void {
    this.#closed = true;
    this.#timer?.clear();
    this.#client?.close();
    this.#client = undefined;
  }

  async #connect(): Promise<void> {
    await this.#stand((stand) => stand.call('startProxy', { number: this.#number }, { deadlineMilliseconds: NEIGHBOUR_CALL_MILLISECONDS }));
    const { adminSocket, build, clock, proxyUid } = this.#deps;
    const client = await connect({ path: adminSocket, contract: proxyContract, role: 'launcher', build, expectUid: proxyUid, clock });
    this.#client = client;
    void client.closed.then(() => this.#lost(client));
  }

  async #feed(): Promise<void> {
    const opened = await this.#deps.credentials.open(this.#principal, this.#number);
    using secrets = opened.secrets;
    await this.#client?.call(
      'configure',
      { principal: this.#principal, header: opened.headerBytes, secrets: secrets.bytes },
      { deadlineMilliseconds: NEIGHBOUR_CALL_MILLISECONDS },
    );
  }

  #lost(client: IpcClient<typeof proxyContract>): void {
    if (this.#closed || this.#client !== client) return;
    this.#client = undefined;
    this.#restarts += 1;
    this.#deps.logger.warn({ principal: this.#principal, number: this.#number }, 'proxy is gone; starting it again');
    this.#again(0);
  }

  #again(earlierPause: number): void {
    this.#pause = earlierPause === 0 ? PROXY_PAUSE_FIRST : Math.min(earlierPause * 2, PROXY_PAUSE_LONGEST);
    this.#timer = this.#deps.clock.setTimer(this.#pause, () => {
      this.bringUp().catch((error: unknown) => {
        if (this.#closed) return;
        this.#deps.logger.error({ principal: this.#principal, error: describeError(error) }, 'proxy did not come back');
        this.#again(this.#pause);
      });
    });
  }

  async #stand(use: (stand: IpcClient<typeof standContract>) => Promise<unknown>): Promise<void> {
    const { standSocket, build, clock } = this.#deps;
    using stand = await connect({ path: standSocket, contract: standContract, role: 'launcher', build, expectUid: 0, clock });
    await use(stand);
  }
}
