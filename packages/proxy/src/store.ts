// SPDX-License-Identifier: Apache-2.0
import { BureauError, type Clock } from '@bureau/core';
import type { BundleHeader } from '@bureau/protocol';
import type { SecretBytes } from '@bureau/secret';
import { Credentials } from './credentials.ts';
import { EgressPolicy } from './forward/egress-policy.ts';
import type { ProxyLimits } from './limits.ts';
import { Problem } from './problem.ts';
import { Service } from './upstreams/service.ts';
import { Upstream } from './upstream.ts';
import { checkUpstreamUrl } from './upstream-rules.ts';

/** The homeserver's name among the upstreams. */
const MATRIX = 'matrix';

/** The right to use one bundle until it is disposed of. */
export interface CredentialLease extends Disposable {
  readonly credentials: Credentials;
  /** Where this bundle lets its principal go without keys. */
  readonly egress: EgressPolicy;
  /** An upstream of the bundle. Throws the `Problem` 403 `upstream_not_granted` when it has none of that name. */
  upstream(service: string): Upstream;
}

/** One bundle in use: its keys live until it has been replaced and its last lease has ended. */
export class Generation {
  readonly credentials: Credentials;
  readonly egress: EgressPolicy;
  readonly #upstreams: ReadonlyMap<string, Upstream>;
  readonly #services: ReadonlyMap<string, Service>;
  #leases = 0;
  #retired = false;

  constructor(credentials: Credentials, limits: ProxyLimits, clock: Clock) {
    this.credentials = credentials;
    this.egress = new EgressPolicy(credentials.header.egress ?? []);
    const services = Object.keys(credentials.header.upstreams);
    this.#upstreams = new Map(services.map((service) => [service, new Upstream({ service, credentials, limits, clock })]));
    const secretOf = (secret: string): SecretBytes => credentials.secret(secret);
    const { principal } = credentials.header;
    const entries = Object.entries(credentials.header.upstreams);
    this.#services = new Map(
      entries.map(([name, rule]) => [
        name,
        new Service({ name, principal, url: checkUpstreamUrl(name, rule), rule, secretOf, limits, clock }),
      ]),
    );
  }

  /** Another bundle has taken its place: nothing may begin with these keys. */
  get retired(): boolean {
    return this.#retired;
  }

  /** An upstream as an agent may call it by its own requests. Throws as `upstream` of a lease does; the homeserver has routes of its own. */
  service(name: string): Service {
    const service = this.#services.get(name);
    if (service === undefined || name === MATRIX) throw notGranted(name);
    return service;
  }

  /** The keys are in use until as many `leave`s. */
  enter(): void {
    this.#leases += 1;
  }

  leave(): void {
    this.#leases -= 1;
    this.#endWhenUnused();
  }

  lease(): CredentialLease {
    this.enter();
    let held = true;
    return {
      credentials: this.credentials,
      egress: this.egress,
      upstream: (service) => this.#upstream(service),
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.leave();
      },
    };
  }

  retire(): void {
    this.#retired = true;
    this.#endWhenUnused();
  }

  #upstream(service: string): Upstream {
    const upstream = this.#upstreams.get(service);
    if (upstream !== undefined) return upstream;
    throw notGranted(service);
  }

  #endWhenUnused(): void {
    if (!this.#retired || this.#leases > 0) return;
    this.credentials[Symbol.dispose]();
    for (const service of this.#services.values()) service[Symbol.dispose]();
    for (const upstream of this.#upstreams.values()) void upstream.close();
  }
}

/** The keys of the one principal that this proxy serves, from its first configuration to its end. */
export class CredentialStore implements Disposable {
  readonly #limits: ProxyLimits;
  readonly #clock: Clock;
  #current: Generation | undefined;

  constructor(limits: ProxyLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** The header in use, or `undefined` before the first configuration. */
  get header(): BundleHeader | undefined {
    return this.#current?.credentials.header;
  }

  /** The egress list in use, or `undefined` before the first configuration. */
  get egress(): EgressPolicy | undefined {
    return this.#current?.egress;
  }

  /**
   * Takes a bundle into use, at once and as a whole: every lease from now on has the new keys; leases that run keep the old ones,
   * which are zeroed when the last of them ends. On a throw nothing has changed. Zeroes `secrets` in any case.
   * Throws `principal_mismatch`, `bundle_expired`, `egress_invalid`, and what `Credentials.open` throws.
   */
  configure(principal: string, header: Uint8Array, secrets: Uint8Array): { readonly digest: string } {
    const credentials = Credentials.open(header, secrets, this.#limits.secrets);
    try {
      this.#check(principal, credentials.header);
      const previous = this.#current;
      this.#current = new Generation(credentials, this.#limits, this.#clock);
      previous?.retire();
    } catch (error) {
      credentials[Symbol.dispose]();
      throw error;
    }
    return { digest: credentials.digest };
  }

  /** Throws the `Problem`s 503 `not_configured` and 403 `credentials_expired`. */
  lease(): CredentialLease {
    return this.current().lease();
  }

  /** The bundle in use; throws as `lease` does. Hold it with `enter` and `leave`. */
  current(): Generation {
    if (this.#current === undefined) throw notConfigured();
    if (this.#clock.now() >= this.#current.credentials.header.expires_at) {
      throw new Problem(
        403,
        'credentials_expired',
        `The keys of ${this.#current.credentials.header.principal} lapsed at ${new Date(this.#current.credentials.header.expires_at).toISOString()}; an operator has to provision new ones.`,
      );
    }
    return this.#current;
  }

  /** Zeroes the keys as soon as no lease is left. Idempotent. */
  [Symbol.dispose](): void {
    this.#current?.retire();
    this.#current = undefined;
  }

  /** Throws `principal_mismatch` for another principal than the one that this proxy serves. */
  checkPrincipal(principal: string): void {
    const serves = this.header?.principal;
    if (serves === undefined || serves === principal) return;
    throw new BureauError('principal_mismatch', `Expected ${serves}, found ${principal}; a proxy serves one principal for its life`);
  }

  #check(principal: string, header: BundleHeader): void {
    const serves = this.header?.principal ?? principal;
    if (header.principal !== principal || serves !== principal) {
      throw new BureauError(
        'principal_mismatch',
        `Expected a bundle of ${serves}, found a configuration for ${principal} with a bundle of ${header.principal}; a proxy serves one principal for its life`,
      );
    }
    if (this.#clock.now() >= header.expires_at) {
      throw new BureauError(
        'bundle_expired',
        `The bundle of ${principal} lapsed at ${new Date(header.expires_at).toISOString()}; seal a new one`,
      );
    }
  }
}

function notGranted(service: string): Problem {
  return new Problem(
    403,
    'upstream_not_granted',
    `This principal's bundle has no upstream ${JSON.stringify(service)}; an operator can add it by sealing a new bundle.`,
  );
}

/** What every call answers before the launcher has handed over a bundle. */
export function notConfigured(): Problem {
  return new Problem(503, 'not_configured', 'This proxy has not received its keys yet; try again in a moment.', {
    headers: { 'retry-after': '1' },
  });
}
