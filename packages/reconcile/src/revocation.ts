// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { describeError, type Clock, type Timer } from '@bureau/core';
import { readJson, writeFileAtomic } from '@bureau/files';
import type { Logger } from '@bureau/log';
import type { SandboxInfo } from '@bureau/protocol';
import * as v from 'valibot';
import { REVOKED_RETRY_MILLISECONDS, REVOKED_SIDE_BY_SIDE } from './limits.ts';

/** What is kept on disk: which session was ended, so that a restart does not begin again what a new login may. */
const revokedMark = v.strictObject({ v: v.literal(1), session: v.string(), at: v.number(), reason: v.string() });
/** Most bytes of it. */
const MARK_MAX_BYTES = 4_096;

export interface RevocationDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The mark on disk, in the daemon's own directory. */
  readonly file: string;
  /** The machine's access token: a mark of another one is of a former life. */
  readonly accessToken: string;
  /** All sandboxes; `undefined` while the launcher is away. */
  readonly observed: () => readonly SandboxInfo[] | undefined;
  /** Ends one at once. */
  readonly end: (sandbox: SandboxInfo) => Promise<void>;
  /** Asks the homeserver whether the token is dead; throws when it cannot be asked. */
  readonly tokenIsDead: () => Promise<boolean>;
}

/**
 * What a machine does when it is not trusted any more: it ends everything that runs, and starts nothing again, restarted or not, until it
 * is logged in anew. It is told so by an event in its config room, or by the end of its token; the latter is asked for once more, since
 * one strange answer must not end a whole machine.
 */
export class Revocation {
  readonly #deps: RevocationDeps;
  readonly #session: string;
  #reason: string | undefined;
  #timer: Timer | undefined;
  #asking = false;
  #ending = false;
  #closed = false;

  constructor(deps: RevocationDeps) {
    this.#deps = deps;
    this.#session = createHash('sha256').update(deps.accessToken).digest('hex');
    this.#reason = this.#readMark();
  }

  /** Why the machine is revoked; `undefined` while it is not. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Takes what is known now; to be called at each change of rooms, of the sync's health and of the sandboxes. */
  consider(known: { readonly loggedOut: boolean; readonly told: boolean }): void {
    if (this.#closed) return;
    if (this.#reason === undefined && known.told) this.#revoke('an operator has revoked it');
    if (this.#reason === undefined && known.loggedOut) void this.#ask();
    if (this.#reason !== undefined) void this.#endAll();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.clear();
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      if (await this.#deps.tokenIsDead()) this.#revoke('the homeserver has ended its session');
    } catch (error) {
      this.#deps.logger.warn({ error: describeError(error) }, 'the homeserver cannot be asked whether the session has ended; asking again');
    } finally {
      this.#asking = false;
    }
    if (this.#reason === undefined) this.#later({ loggedOut: true, told: false });
    else void this.#endAll();
  }

  #revoke(reason: string): void {
    const { logger, file, clock } = this.#deps;
    this.#reason = reason;
    logger.error({ reason }, 'this machine is revoked: every sandbox is ended, and nothing is started until it is logged in anew');
    try {
      writeFileAtomic(file, JSON.stringify({ v: 1, session: this.#session, at: clock.now(), reason }), { mode: 0o600 });
    } catch (error) {
      logger.error({ error: describeError(error) }, 'the revocation is not on disk: a restart would have to learn of it again');
    }
  }

  async #endAll(): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    let failed = false;
    try {
      const live = (this.#deps.observed() ?? []).filter(({ state }) => state !== 'exited');
      for (let at = 0; at < live.length; at += REVOKED_SIDE_BY_SIDE) {
        const results = await Promise.allSettled(live.slice(at, at + REVOKED_SIDE_BY_SIDE).map((each) => this.#deps.end(each)));
        for (const result of results) {
          if (result.status === 'fulfilled') continue;
          failed = true;
          this.#deps.logger.warn({ error: describeError(result.reason) }, 'a sandbox of the revoked machine did not end; trying again');
        }
      }
    } finally {
      this.#ending = false;
    }
    if (failed) this.#later({ loggedOut: false, told: false });
  }

  #later(known: { readonly loggedOut: boolean; readonly told: boolean }): void {
    if (this.#closed) return;
    this.#timer?.clear();
    this.#timer = this.#deps.clock.setTimer(REVOKED_RETRY_MILLISECONDS, () => this.consider(known));
  }

  #readMark(): string | undefined {
    const { file, logger } = this.#deps;
    if (!existsSync(file)) return undefined;
    try {
      const mark = readJson(file, revokedMark, MARK_MAX_BYTES);
      if (mark.session === this.#session) return mark.reason;
      rmSync(file, { force: true });
      return undefined;
    } catch (error) {
      logger.error({ error: describeError(error) }, 'the mark of a revocation cannot be read; it is taken for one');
      return 'its mark on disk cannot be read';
    }
  }
}
