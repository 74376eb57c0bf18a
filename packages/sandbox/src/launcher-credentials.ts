// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { BureauError, type Clock, type MachineName, type PrincipalName } from '@bureau/core';
import { readBounded, readJson, writeFileAtomic } from '@bureau/files';
import { BUNDLE_MAX_BYTES, digest, timestamp, type BundleHeader } from '@bureau/protocol';
import {
  judgeHeader,
  openBundle,
  readOperators,
  type BundleRules,
  type OpenedBundle,
  type ParsedKeys,
  type PinnedOperator,
} from '@bureau/seal';
import type { SecretBytes } from '@bureau/secret';
import * as v from 'valibot';
import { readPolicy } from './policy-file.ts';
import { demandSigner } from './policy-signers.ts';

/** What is remembered of the last bundle that was accepted, so that an older one never comes back. */
const acceptedRecord = v.strictObject({ v: v.literal(1), issuedAt: timestamp, contentDigest: digest });
type Accepted = v.InferOutput<typeof acceptedRecord>;

/** What was found in the kept bundle of a principal when it was opened; nothing secret. */
interface SeenBundle {
  readonly ciphertext: Uint8Array;
  readonly header: BundleHeader;
  readonly contentDigest: string;
  readonly signer: KeyObject;
}

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
  readonly #seen = new Map<number, SeenBundle>();
  readonly #parsedKeys: ParsedKeys = new Map();

  constructor(deps: LauncherCredentialsDeps) {
    this.#deps = deps;
  }

  /**
   * Judges a bundle, keeps its ciphertext and returns its header. `demand` throws where it must not come into force now: then nothing is kept.
   * The one that is kept already, as every restart of an agent brings it, costs no write and is not opened again, but judged in all else. Throws the
   * codes of `openBundle`; `bundle_replayed` when it is older than the last; `bundle_signer` when policy lets its signer not sign for this principal.
   */
  async accept(
    principal: PrincipalName,
    number: number,
    ciphertext: Uint8Array,
    demand?: (header: BundleHeader) => void,
  ): Promise<BundleHeader> {
    const again = this.isKept(number, ciphertext) ? this.#judgeAgain(principal, number, ciphertext) : undefined;
    if (again !== undefined) {
      demand?.(again);
      return again;
    }
    const opened = await this.#open(principal, number, ciphertext);
    opened.secrets[Symbol.dispose]();
    const { header, contentDigest, signer } = opened;
    demand?.(header);
    if (this.#lastAccepted(number)?.contentDigest !== contentDigest || !this.isKept(number, ciphertext)) {
      const accepted = { v: 1, issuedAt: header.issued_at, contentDigest };
      // The ciphertext first: a crash between the two leaves a newer bundle behind an older mark, which is judged again, never lost.
      writeFileAtomic(this.#bundlePath(number), ciphertext, { mode: 0o600 });
      writeFileAtomic(this.#markPath(number), JSON.stringify(accepted), { mode: 0o600 });
    }
    this.#seen.set(number, { ciphertext: Uint8Array.from(ciphertext), header, contentDigest, signer });
    return header;
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

  /** The header of a bundle that was opened before and marked as the last; undefined for another, or one whose signer is no operator any more: it is opened, and judged by that. */
  #judgeAgain(principal: PrincipalName, number: number, ciphertext: Uint8Array): BundleHeader | undefined {
    const seen = this.#seen.get(number);
    const last = this.#lastAccepted(number);
    if (seen === undefined || last?.contentDigest !== seen.contentDigest || !Buffer.from(seen.ciphertext).equals(ciphertext))
      return undefined;
    const { operatorsDirectory, policyFile } = this.#deps;
    const names = namesOf(seen.signer, readOperators(operatorsDirectory, this.#parsedKeys));
    if (names.length === 0) return undefined;
    judgeHeader(seen.header, seen.contentDigest, this.#rules(principal, last));
    demandSigner(names, principal, readPolicy(policyFile));
    return seen.header;
  }

  async #judge(principal: PrincipalName, ciphertext: Uint8Array, last: Accepted | undefined): Promise<OpenedBundle> {
    const { identity, operatorsDirectory, policyFile } = this.#deps;
    const operators = readOperators(operatorsDirectory, this.#parsedKeys);
    const policy = readPolicy(policyFile);
    const rules = { ...this.#rules(principal, last), operators: operators.map(({ key }) => key) };
    const opened = await openBundle(ciphertext, { ...rules, identity });
    try {
      demandSigner(namesOf(opened.signer, operators), principal, policy);
      return opened;
    } catch (error) {
      opened.secrets[Symbol.dispose]();
      throw error;
    }
  }

  #rules(principal: PrincipalName, last: Accepted | undefined): Omit<BundleRules, 'operators'> {
    const { machine, clock } = this.#deps;
    const replay = last === undefined ? {} : { lastIssuedAt: last.issuedAt, lastDigest: last.contentDigest };
    return { principal, machine, now: clock.now(), ...replay };
  }

  #bundlePath(number: number): string {
    return `${this.#deps.directory}/${number}.bundle.age`;
  }

  #markPath(number: number): string {
    return `${this.#deps.directory}/${number}.bundle.json`;
  }
}

/** The files that hold this key: usually one. */
function namesOf(key: KeyObject, operators: readonly PinnedOperator[]): string[] {
  return operators.filter((operator) => operator.key.equals(key)).map(({ name }) => name);
}

function noCredentials(principal: PrincipalName): BureauError {
  return new BureauError('no_credentials', `Expected a credential bundle for "${principal}", found none: publish one with its assignment`, {
    data: { principal },
  });
}
