// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { ProxyLimits } from './limits.ts';
import { Problem } from './problem.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * How much one principal may ask for. Each admission is decided and counted in one turn, without a wait between, so that any number of
 * requests at the last unit are admitted exactly that often. Traffic is counted as it flows and checked at admission: what runs goes
 * on, so that it is exceeded by at most what the requests under way carry.
 */
export class RequestLimiter {
  readonly #limits: () => ProxyLimits;
  readonly #requests: TokenBucket;
  readonly #traffic: TokenBucket;
  #running = 0;
  #tunnels = 0;
  #refused = 0;
  /** From now on nothing new is let in. */
  draining = false;
  readonly #idle: (() => void)[] = [];

  constructor(limits: () => ProxyLimits, clock: Clock) {
    this.#limits = limits;
    this.#requests = new TokenBucket(clock, () => ({ perSecond: limits().requestsPerSecond, burst: limits().requestsBurst }));
    this.#traffic = new TokenBucket(clock, () => ({ perSecond: limits().trafficBytesPerSecond, burst: limits().trafficBurstBytes }));
  }

  /** Requests under way, tunnels not counted. */
  get running(): number {
    return this.#running;
  }

  get tunnels(): number {
    return this.#tunnels;
  }

  /** Requests that were told to come back. */
  get refused(): number {
    return this.#refused;
  }

  /** Lets one request in, until the answer is disposed of. Throws a `Problem` with `retry-after`: 429, or 503 `draining`. */
  admitRequest(): Disposable {
    const { concurrentRequests } = this.#limits();
    if (this.#running >= concurrentRequests)
      this.#refuse('too_busy', `works on ${concurrentRequests} requests at once (limit concurrentRequests)`);
    this.#takeRequest();
    this.#running += 1;
    return new Admission(this.#leave);
  }

  /** The same for a tunnel, which counts by itself. */
  admitTunnel(): Disposable {
    const { tunnels } = this.#limits();
    if (this.#tunnels >= tunnels) this.#refuse('too_many_tunnels', `holds ${tunnels} tunnels at once (limit tunnels)`);
    this.#takeRequest();
    this.#tunnels += 1;
    return new Admission(this.#leaveTunnel);
  }

  /** Calls back once, as soon as no request is under way (tunnels are not waited for). */
  onIdle(callback: () => void): void {
    if (this.#running === 0) callback();
    else this.#idle.push(callback);
  }

  /** Counts bytes of bodies and tunnels, of either direction. */
  addTraffic(bytes: number): void {
    if (bytes > 0) this.#traffic.spend(bytes);
  }

  readonly #leave = (): void => {
    this.#running -= 1;
    if (this.#running === 0 && this.#idle.length > 0) for (const callback of this.#idle.splice(0)) callback();
  };

  readonly #leaveTunnel = (): void => void (this.#tunnels -= 1);

  #takeRequest(): void {
    if (this.draining) {
      throw new Problem(503, 'draining', 'This proxy is being replaced; try again in a moment.', {
        headers: { 'retry-after': '1' },
        close: true,
      });
    }
    const { requestsPerSecond, trafficBytesPerSecond } = this.#limits();
    const traffic = this.#traffic.waitFor(0);
    if (traffic > 0)
      this.#refuse('too_much_traffic', `carries ${trafficBytesPerSecond} bytes a second (limit trafficBytesPerSecond)`, traffic);
    const wait = this.#requests.waitFor(1);
    if (wait > 0) this.#refuse('too_many_requests', `takes ${requestsPerSecond} requests a second (limit requestsPerSecond)`, wait);
    this.#requests.spend(1);
  }

  #refuse(code: string, what: string, waitMilliseconds = 1_000): never {
    this.#refused += 1;
    const seconds = Math.max(1, Math.ceil(waitMilliseconds / 1_000));
    throw new Problem(429, code, `The proxy of this principal ${what}; try again in ${seconds} s.`, {
      headers: { 'retry-after': String(seconds) },
      extensions: { retry_after_seconds: seconds },
    });
  }
}

/** Ends once, however often it is disposed of. */
class Admission implements Disposable {
  #end: (() => void) | undefined;

  constructor(end: () => void) {
    this.#end = end;
  }

  [Symbol.dispose](): void {
    const end = this.#end;
    this.#end = undefined;
    end?.();
  }
}
