// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { readJson, writeFileAtomic } from '@bureau/files';
import { DEFAULT_AUTHORIZATION, authorizationList, type AuthorizationList } from '@bureau/protocol';

/** Bytes of one list as it is kept: 512 rules with long patterns. */
const AUTHORIZATION_MAX_BYTES = 4 * 1024 * 1024;

/** What a principal may do when its list cannot be read: nothing, for a denial must not be lost with a file. */
const NOTHING: AuthorizationList = { grants: [], denials: [] };

/**
 * The last list of grants and denials of each principal, as the daemon gave it: `<n>.authorization.json`, 0600. It outlives launcher,
 * daemon and proxy, so that a proxy that is started again is told it before it is told its keys.
 */
export class AuthorizationRecords {
  readonly #directory: string;
  readonly #onUnreadable: (number: number, error: unknown) => void;

  constructor(directory: string, onUnreadable: (number: number, error: unknown) => void) {
    this.#directory = directory;
    this.#onUnreadable = onUnreadable;
  }

  /** Written whole or not at all; true when it is another list than the one before, of which nobody said anything being the default. */
  keep(number: number, list: AuthorizationList): boolean {
    const text = JSON.stringify(list);
    if (text === JSON.stringify(this.read(number) ?? DEFAULT_AUTHORIZATION)) return false;
    writeFileAtomic(this.#path(number), text, { mode: 0o600 });
    return true;
  }

  /** `undefined` when nobody has given one; a file that is not one of ours grants nothing. */
  read(number: number): AuthorizationList | undefined {
    if (!existsSync(this.#path(number))) return undefined;
    try {
      return readJson(this.#path(number), authorizationList, AUTHORIZATION_MAX_BYTES);
    } catch (error) {
      this.#onUnreadable(number, error);
      return NOTHING;
    }
  }

  #path(number: number): string {
    return `${this.#directory}/${number}.authorization.json`;
  }
}
