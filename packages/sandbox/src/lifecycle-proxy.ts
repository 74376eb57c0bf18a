// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, type Clock, type PrincipalName, type Timer } from '@bureau/core';
import { connect, type IpcClient } from '@bureau/ipc';
import type { Logger } from '@bureau/log';
import { proxyContract, type AuthorizationList } from '@bureau/protocol';
import type { LauncherCredentials } from './launcher-credentials.ts';
import type { StandLink } from './stand-link.ts';
import { NEIGHBOUR_CALL_MILLISECONDS, PROXY_FORGET_AFTER, PROXY_PAUSE_FIRST, PROXY_PAUSE_LONGEST } from './lifecycle-limits.ts';

/** Fifty starts at once on a busy machine keep both ends from a greeting for longer than a healthy connection may take. */
const PATIENT = { helloMilliseconds: NEIGHBOUR_CALL_MILLISECONDS };

export interface ProxyLinkDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly build: string;
  readonly stand: Pick<StandLink, 'listenProxy' | 'startProxy' | 'stopProxy'>;
  readonly adminSocket: string;
  /** The uid that must answer on the admin socket before it is told a secret. */
  readonly proxyUid: number;
  readonly credentials: Pick<LauncherCredentials, 'open'>;
  /** The principal's grants and denials, when anybody has given them. */
  readonly authorization?: () => AuthorizationList | undefined;
  /** Told each time that the proxy was lost and will be started again. */
  readonly onRestart?: () => void;
}

/**
 * Keeps one principal's proxy running and holding its keys: asks the service manager for it by number, feeds it over its admin
 * socket, and does both again when it dies. One bring-up at a time.
 */
export class ProxyLink {
  readonly #principal: PrincipalName;
  readonly #number: number;
  readonly #deps: ProxyLinkDeps;
  #client: IpcClient<typeof proxyContract> | undefined;
  #connectedMonotonic = 0;
  #restarts = 0;
  #pause = 0;
  #timer: Timer | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #over = new AbortController();

  constructor(principal: PrincipalName, number: number, deps: ProxyLinkDeps) {
    this.#principal = principal;
    this.#number = number;
    this.#deps = deps;
  }

  /** Times that the proxy was started again after its first start. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Resolves when the proxy serves with the last accepted bundle. Also the way to rotate: it feeds again. Throws what the service
   * manager, the proxy or the bundle's judgement said, and `proxy_released` after `release`.
   */
  bringUp(): Promise<void> {
    return this.#inTurn(() => this.#bringUpNow());
  }

  /** Before the first {@link bringUp} of a new sandbox: resolves when whoever connects to the proxy waits for its answer. Throws like it. */
  listen(): Promise<void> {
    return this.#inTurn(async () => {
      this.#over.signal.throwIfAborted();
      await this.#deps.stand.listenProxy(this.#number, this.#over.signal);
    });
  }

  #inTurn(task: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(task);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /** Like `bringUp`; when it fails, it is tried again with pauses, until it succeeds or the proxy is let go of. */
  async keepUp(): Promise<void> {
    try {
      await this.bringUp();
    } catch (error) {
      this.#again(this.#pause);
      throw error;
    }
  }

  /** Stops the proxy, whatever is under way; resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.release();
    await this.#turn;
    await this.#deps.stand.stopProxy(this.#number);
  }

  /** Lets go of the proxy without stopping it. Idempotent. */
  release(): void {
    this.#over.abort(new BureauError('proxy_released', `The proxy of "${this.#principal}" is not wanted any more`));
    this.#timer?.clear();
    this.#client?.close();
    this.#client = undefined;
  }

  async #bringUpNow(): Promise<void> {
    this.#over.signal.throwIfAborted();
    this.#timer?.clear();
    await this.#feed(this.#client ?? (await this.#connect()));
  }

  async #connect(): Promise<IpcClient<typeof proxyContract>> {
    const { signal } = this.#over;
    await this.#deps.stand.startProxy(this.#number, signal);
    const { adminSocket, build, clock, proxyUid } = this.#deps;
    const client = await connect({
      path: adminSocket,
      contract: proxyContract,
      role: 'launcher',
      build,
      expectUid: proxyUid,
      clock,
      signal,
      limits: PATIENT,
    });
    this.#client = client;
    this.#connectedMonotonic = clock.monotonic();
    void client.closed.then(() => this.#lost(client));
    return client;
  }

  async #feed(client: IpcClient<typeof proxyContract>): Promise<void> {
    const authorization = this.#deps.authorization?.();
    const { signal } = this.#over;
    const deadlineMilliseconds = NEIGHBOUR_CALL_MILLISECONDS;
    // Before the keys: with them the proxy begins to serve, and a denial must stand by then.
    if (authorization !== undefined)
      await client.call('authorize', { principal: this.#principal, authorization }, { deadlineMilliseconds, signal });
    const opened = await this.#deps.credentials.open(this.#principal, this.#number);
    using secrets = opened.secrets;
    await client.call(
      'configure',
      { principal: this.#principal, header: opened.headerBytes, secrets: secrets.bytes },
      { deadlineMilliseconds: NEIGHBOUR_CALL_MILLISECONDS },
    );
  }

  #lost(client: IpcClient<typeof proxyContract>): void {
    if (this.#over.signal.aborted || this.#client !== client) return;
    const { clock, logger, onRestart } = this.#deps;
    this.#client = undefined;
    this.#restarts += 1;
    logger.warn({ principal: this.#principal, number: this.#number }, 'proxy is gone; starting it again');
    // One that keeps ending right after it was fed is not started twenty times a second.
    this.#again(clock.monotonic() - this.#connectedMonotonic >= PROXY_FORGET_AFTER ? 0 : this.#pause);
    onRestart?.();
  }

  #again(earlierPause: number): void {
    if (this.#over.signal.aborted) return;
    this.#pause = earlierPause === 0 ? PROXY_PAUSE_FIRST : Math.min(earlierPause * 2, PROXY_PAUSE_LONGEST);
    this.#timer?.clear();
    this.#timer = this.#deps.clock.setTimer(this.#pause, () => {
      this.keepUp().catch((error: unknown) => {
        if (this.#over.signal.aborted) return;
        this.#deps.logger.error({ principal: this.#principal, error: describeError(error) }, 'proxy did not come back');
      });
    });
  }
}
