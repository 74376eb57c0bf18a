// SPDX-License-Identifier: Apache-2.0
import { lookup } from 'node:dns';
import { networkInterfaces } from 'node:os';
import type { Clock } from '@bureau/core';
import type { ProxyLimits } from '../limits.ts';
import { Problem } from '../problem.ts';
import { readAddresses } from './egress-policy.ts';
import type { Host } from './host-name.ts';
import type { IpAddress } from './ip-address.ts';

/** Where addresses come from; the machine's resolver in production. */
export interface AddressSource {
  /** All addresses of a name, in the order in which to try them. Rejects as `dns.lookup` does. */
  lookUp(name: string): Promise<readonly string[]>;
  /** The addresses of this machine's interfaces, now. */
  own(): readonly string[];
}

/** `getaddrinfo` with `/etc/hosts`, and the interfaces as the kernel lists them. */
export const systemAddresses: AddressSource = {
  lookUp: (name) =>
    new Promise((resolve, reject) => {
      lookup(name, { all: true, order: 'verbatim' }, (error, found) =>
        error === null ? resolve(found.map(({ address }) => address)) : reject(error),
      );
    }),
  own: () => Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
};

/** One look-up for each call, under a deadline, few at once: what a principal may look up is bounded by its list. */
export class Resolver {
  readonly #source: AddressSource;
  readonly #limits: ProxyLimits;
  readonly #clock: Clock;
  #running = 0;

  constructor(source: AddressSource, limits: ProxyLimits, clock: Clock) {
    this.#source = source;
    this.#limits = limits;
    this.#clock = clock;
  }

  own(): IpAddress[] {
    return readAddresses(this.#source.own());
  }

  /** Throws the `Problem`s 502 `egress_name_unknown`, 504 `egress_name_timeout` and 429 `too_many_lookups`. */
  async addressesOf(host: Host): Promise<IpAddress[]> {
    if (host.address !== undefined) return [host.address];
    if (this.#running >= this.#limits.lookups) {
      throw new Problem(429, 'too_many_lookups', `This proxy looks up ${this.#limits.lookups} names at once (limit lookups); try again.`, {
        headers: { 'retry-after': '1' },
      });
    }
    this.#running += 1;
    // A look-up cannot be called back: it counts until it ends, however long that takes.
    const looking = this.#source.lookUp(host.text).finally(() => (this.#running -= 1));
    looking.catch(() => undefined);
    return readAddresses(await this.#inTime(host, looking));
  }

  #inTime(host: Host, looking: Promise<readonly string[]>): Promise<readonly string[]> {
    const milliseconds = this.#limits.lookupMilliseconds;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(milliseconds, () =>
        reject(
          new Problem(
            504,
            'egress_name_timeout',
            `Expected the addresses of ${host.text} within ${milliseconds} ms (limit lookupMilliseconds); try again later.`,
          ),
        ),
      );
      looking
        .then(resolve, (error: NodeJS.ErrnoException) =>
          reject(
            new Problem(502, 'egress_name_unknown', `Cannot find the addresses of ${host.text} (${error.code ?? 'no reason given'}).`, {
              cause: error,
            }),
          ),
        )
        .finally(() => timer.clear());
    });
  }
}
