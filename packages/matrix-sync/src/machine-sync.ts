// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, sleep, type Clock, type RoomId, type UserId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { ClientEvent, HttpApiEvent, MatrixError, SyncState, createClient, type MatrixClient } from 'matrix-js-sdk';
import { sdkLogger } from './sdk-logger.ts';
import { stateDifferences } from './state-compare.ts';
import { SqliteSyncStore } from './sync-store.ts';

/** An event that the homeserver has and the sync has not brought after this long was not on its way. */
const ON_ITS_WAY_MILLISECONDS = 5_000;

export interface MachineSyncOptions {
  readonly homeserverUrl: string;
  readonly userId: UserId;
  readonly accessToken: string;
  /** The SQLite file with position and state. */
  readonly databasePath: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after each change of state or health; reads follow. Never called before `start`. */
  readonly onChange: () => void;
  /** State that must be what the homeserver has: looked at in full each time that it answers again. */
  readonly watched: { readonly rooms: readonly RoomId[]; readonly types: readonly string[] };
  /**
   * The homeserver does not know our sync position or has another past than ours (it was restored from a backup, say): position and
   * state have been forgotten on disk, so a start from nothing is what helps. matrix-js-sdk itself would go on from there for ever.
   */
  readonly onPositionRefused: () => void;
}

/** `live`: the last sync answered · `offline`: it did not, the last good state stands · `logged_out`: the token is no longer valid. */
export type SyncHealth = 'starting' | 'live' | 'offline' | 'logged_out';

/** One state event, as the homeserver gave it; its content is a stranger's until a schema has judged it. */
export interface StateFact {
  readonly stateKey: string;
  readonly sender: string;
  readonly eventId: string;
  readonly content: unknown;
}

/** The machine's view of its rooms: a sync that resumes where it was, state to read, a way to write what the machine says of itself. */
export class MachineSync {
  readonly #options: MachineSyncOptions;
  readonly #store: SqliteSyncStore;
  readonly #client: MatrixClient;
  readonly #ending = new AbortController();
  /** Begun from nothing: whatever differs then, to begin from nothing again would not help. */
  #anew = false;
  #health: SyncHealth = 'starting';
  #lastSyncAt: number | null = null;

  constructor(options: MachineSyncOptions) {
    this.#options = options;
    this.#store = new SqliteSyncStore(options.databasePath, (what, error) => {
      options.logger.error({ error: describeError(error) }, what);
    });
    this.#client = createClient({
      baseUrl: options.homeserverUrl,
      userId: options.userId,
      accessToken: options.accessToken,
      store: this.#store,
      logger: sdkLogger(options.logger),
      disableVoip: true,
    });
  }

  get health(): SyncHealth {
    return this.#health;
  }

  /** When the homeserver answered a sync last; `null` before the first. */
  get lastSyncAt(): number | null {
    return this.#lastSyncAt;
  }

  /** Begins to sync; resolves at once. State that was kept on disk is told by the first `onChange`, homeserver or not. */
  async start(): Promise<void> {
    this.#client.on(ClientEvent.Sync, (state, _before, data) => {
      if (this.#health === 'logged_out') return;
      const answered = (state === SyncState.Prepared && data?.fromCache !== true) || state === SyncState.Syncing;
      if (answered) {
        if (this.#health !== 'live') this.#compareSoon();
        this.#health = 'live';
        this.#lastSyncAt = this.#options.clock.now();
      } else if (state === SyncState.Reconnecting || state === SyncState.Error) {
        this.#health = 'offline';
        if (state === SyncState.Error && isRefusedPosition(data?.error))
          this.#forgetPosition('the homeserver does not know our sync position; beginning anew');
      }
      this.#options.onChange();
    });
    this.#client.on(HttpApiEvent.SessionLoggedOut, () => {
      this.#health = 'logged_out';
      this.#options.onChange();
    });
    this.#anew = (await this.#store.getSavedSyncToken()) === null;
    await this.#client.startClient({ initialSyncLimit: 1, disablePresence: true, lazyLoadMembers: true });
  }

  /** All state of one type in a room, redacted and empty ones included; empty when the room is not joined. */
  state(room: RoomId, type: string): StateFact[] {
    const events = this.#client.getRoom(room)?.currentState.getStateEvents(type) ?? [];
    return events.map((event) => ({
      stateKey: event.getStateKey() ?? '',
      sender: event.getSender() ?? '',
      eventId: event.getId() ?? '',
      content: event.getContent(),
    }));
  }

  /** Writes a state event under the machine's own user ID. Throws `rate_limited` with `retryAfterMilliseconds`, `matrix_refused`, `homeserver_unreachable`. */
  async publish(room: RoomId, type: string, content: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      await this.#client.sendStateEvent(room, type as never, content as never, this.#options.userId);
    } catch (error) {
      throw publishError(error, type);
    }
  }

  #compareSoon(): void {
    this.#compare().catch((error: unknown) => {
      if (!this.#ending.signal.aborted)
        this.#options.logger.warn({ error: describeError(error) }, 'could not compare state with the homeserver');
    });
  }

  /**
   * Synapse takes a position from its future (it was restored from an older copy) for the present one, without a word: what it lost
   * would be believed here for ever, and what happened in between would never come.
   */
  async #compare(): Promise<void> {
    const anew = this.#anew;
    this.#anew = false;
    const first = await this.#differences();
    if (first.size === 0) return;
    await sleep(this.#options.clock, ON_ITS_WAY_MILLISECONDS, this.#ending.signal);
    const lasting = (await this.#differences()).intersection(first);
    if (lasting.size === 0) return;
    const what = `the homeserver has other state than it told us (${lasting.size} events differ): restored from an older copy?`;
    if (anew) this.#options.logger.error({}, what);
    else this.#forgetPosition(`${what} Beginning anew`);
  }

  async #differences(): Promise<Set<string>> {
    const { rooms, types } = this.#options.watched;
    const all = await Promise.all(
      rooms.map(async (room) => {
        const theirs = (await this.#client.roomState(room)).filter(({ type }) => types.includes(type));
        const ours = types.flatMap((type) => this.state(room, type).map((fact) => ({ type, ...fact })));
        return stateDifferences(
          ours,
          theirs.map(({ type, state_key: stateKey, event_id: eventId }) => ({ type, stateKey, eventId })),
        );
      }),
    );
    return new Set(all.flatMap((each) => [...each]));
  }

  #forgetPosition(what: string): void {
    this.#options.logger.error({}, what);
    this.#store.forget();
    this.#options.onPositionRefused();
  }

  /** Ends the sync. A timer of the SDK may outlive it: the process ends by `process.exit`. */
  stop(): void {
    this.#ending.abort();
    this.#client.stopClient();
    this.#store.close();
  }
}

/** A sync has no other parameters that a homeserver could find wrong: 400 is about `since`. */
function isRefusedPosition(error: unknown): boolean {
  return error instanceof MatrixError && error.httpStatus === 400;
}

function publishError(error: unknown, type: string): BureauError {
  if (error instanceof MatrixError) {
    if (error.isRateLimitError()) {
      return new BureauError('rate_limited', `The homeserver asks to wait before the next ${type}`, {
        cause: error,
        data: { retryAfterMilliseconds: error.getRetryAfterMs() ?? 1_000 },
      });
    }
    return new BureauError('matrix_refused', `The homeserver refused ${type}: ${error.errcode ?? 'no code'}`, { cause: error });
  }
  return new BureauError('homeserver_unreachable', `Cannot publish ${type}: the homeserver does not answer`, { cause: error });
}
