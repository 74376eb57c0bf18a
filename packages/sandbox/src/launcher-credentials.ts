// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, type Clock, type MachineName, type PrincipalName } from '@bureau/core';
import { readBounded, readJson, writeFileAtomic } from '@bureau/files';
import { BUNDLE_MAX_BYTES, digest, timestamp, type BundleHeader } from '@bureau/protocol';
import { openBundle, readOperators, type OpenedBundle } from '@bureau/seal';
import type { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';
import { readPolicy } from './policy-file.ts';
import { demandSigner } from './policy-signers.ts';

/** What is remembered of the last bundle that was accepted, so that an older one never comes back. */
const acceptedRecord = v.strictObject({ v: v.literal(1), issuedAt: timestamp, contentDigest: digest });
type Accepted = v.InferOutput<typeof acceptedRecord>;

export interface LauncherCredentialsDeps {
  readonly directory: string;
  readonly operatorsDirectory: string;
  /** Its `signers` say who may sign for whom; read anew each time. */
  readonly policyFile: string;
  readonly machine: MachineName;
  readonly identity: SecretBytes;
  readonly clock: Clock;
}

/**
 * The sealed bundles of this machine: judged when they come, kept as ciphertext, opened only for the moment in which a proxy is fed.
 */
export class LauncherCredentials {
  readonly #deps: LauncherCredentialsDeps;

  constructor(deps: LauncherCredentialsDeps) {
    this.#deps = deps;
  }

  /** Judges a bundle, keeps its ciphertext and returns its header. `demand` throws where it must not come into force now: then nothing is kept. The one that is kept already costs no write. Throws the codes of `openBundle`; `bundle_replayed` when it is older than the last; `bundle_signer` when policy lets its signer not sign for this principal. */
  async accept(
    principal: PrincipalName,
    number: number,
    ciphertext: Uint8Array,
    demand?: (header: BundleHeader) => void,
  ): Promise<BundleHeader> {
    const opened = await this.#open(principal, number, ciphertext);
    opened.secrets[Symbol.dispose]();
    demand?.(opened.header);
    if (this.#lastAccepted(number)?.contentDigest === opened.contentDigest && this.isKept(number, ciphertext)) return opened.header;
    const accepted = { v: 1, issuedAt: opened.header.issued_at, contentDigest: opened.contentDigest };
    // The ciphertext first: a crash between the two leaves a newer bundle behind an older mark, which is judged again, never lost.
    writeFileAtomic(this.#bundlePath(number), ciphertext, { mode: 0o600 });
    writeFileAtomic(this.#markPath(number), JSON.stringify(accepted), { mode: 0o600 });
    return opened.header;
  }

  /** Judges the first bundle of a principal that has no number yet; keeps nothing. Throws like `accept`, and `no_credentials` without one. */
  async judgeFirst(principal: PrincipalName, ciphertext: Uint8Array | undefined): Promise<void> {
    if (ciphertext === undefined) throw noCredentials(principal);
    const opened = await this.#judge(principal, ciphertext, undefined);
    opened.secrets[Symbol.dispose]();
  }

  /** Judges a bundle as `accept` does and keeps nothing; whoever gets it disposes of its secrets. */
  judge(principal: PrincipalName, number: number, ciphertext: Uint8Array): Promise<OpenedBundle> {
    return this.#open(principal, number, ciphertext);
  }

  /** Opens the last accepted bundle; whoever gets it disposes of its secrets. Throws `no_credentials` when there is none. */
  async open(principal: PrincipalName, number: number): Promise<OpenedBundle> {
    if (!existsSync(this.#bundlePath(number))) throw noCredentials(principal);
    return this.#open(principal, number, readBounded(this.#bundlePath(number), BUNDLE_MAX_BYTES));
  }

  #lastAccepted(number: number): Accepted | undefined {
    return existsSync(this.#markPath(number)) ? readJson(this.#markPath(number), acceptedRecord, 4_096) : undefined;
  }

  /** Whether this very bundle is the one that is kept: every restart of an agent brings its bundle again. */
  isKept(number: number, ciphertext: Uint8Array): boolean {
    return existsSync(this.#bundlePath(number)) && readBounded(this.#bundlePath(number), BUNDLE_MAX_BYTES).equals(ciphertext);
  }

  #open(principal: PrincipalName, number: number, ciphertext: Uint8Array): Promise<OpenedBundle> {
    return this.#judge(principal, ciphertext, this.#lastAccepted(number));
  }

  async #judge(principal: PrincipalName, ciphertext: Uint8Array, last: Accepted | undefined): Promise<OpenedBundle> {
    const { identity, machine, operatorsDirectory, policyFile, clock } = this.#deps;
    const operators = readOperators(operatorsDirectory);
    const policy = readPolicy(policyFile);
    const opened = await openBundle(ciphertext, {
      identity,
      operators: operators.map(({ key }) => key),
      principal,
      machine,
      now: clock.now(),
      ...(last === undefined ? {} : { lastIssuedAt: last.issuedAt, lastDigest: last.contentDigest }),
    });
    try {
      const names = operators.filter(({ key }) => key.equals(opened.signer)).map(({ name }) => name);
      demandSigner(names, principal, policy);
      return opened;
    } catch (error) {
      opened.secrets[Symbol.dispose]();
      throw error;
    }
  }

  #bundlePath(number: number): string {
    return `${this.#deps.directory}/${number}.bundle.age`;
  }

  #markPath(number: number): string {
    return `${this.#deps.directory}/${number}.bundle.json`;
  }
}

function noCredentials(principal: PrincipalName): BureauError {
  return new BureauError('no_credentials', `Expected a credential bundle for "${principal}", found none: publish one with its assignment`, {
    data: { principal },
  });
}
