// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, hasCode, sleep, type Clock, type RoomId, type UserId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { DoubtfulRooms } from './doubtful-rooms.ts';
import { HomeserverLink } from './homeserver-link.ts';
import { InvitationDesk } from './invitations.ts';
import { POLL_MILLISECONDS } from './limits.ts';
import { Outbox, type Message } from './outbox.ts';
import { PositionHistory } from './position-history.ts';
import { RefusedEvents } from './refused-events.ts';
import { retryPause } from './retry-pause.ts';
import type { RefusedEvent, StateFact } from './room-event.ts';
import { RoomQueues } from './room-queues.ts';
import { readSyncAnswer, type Invitation, type RoomNews, type SyncNews } from './sync-answer.ts';
import { SyncedState } from './synced-state.ts';
import { TimelineDelivery, type TimelineReader } from './timeline-delivery.ts';

export interface MachineSyncOptions {
  readonly homeserverUrl: string;
  readonly userId: UserId;
  readonly accessToken: string;
  /** Keeps `sync.sqlite` (position and state) and `outbox.sqlite` (messages to be sent). */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after each change of state that somebody else made, and of health; reads follow. Never called before `start`. */
  readonly onChange: () => void;
  /** Rooms that the machine cannot do without: read in full whenever the homeserver was away or is in doubt. */
  readonly rooms: readonly RoomId[];
  /** State that is followed, in every room that the machine is in. */
  readonly stateTypes: readonly string[];
  /** Events of the timeline that are followed; none by default. */
  readonly messages?: TimelineReader;
  /** Whether an invitation is accepted; others are declined. */
  readonly accepts: (invitation: Invitation) => boolean;
}

/** `live`: the last sync answered · `offline`: it did not, the last good state stands · `logged_out`: the token is no longer valid. */
export type SyncHealth = 'starting' | 'live' | 'offline' | 'logged_out';

/** The machine's view of its rooms: a sync that resumes where it was, state to read, ways to write what the machine has to say. */
export class MachineSync {
  readonly #options: MachineSyncOptions;
  readonly #link: HomeserverLink;
  readonly #state: SyncedState;
  readonly #queues: RoomQueues;
  readonly #outbox: Outbox;
  readonly #refused: RefusedEvents;
  readonly #invitations: InvitationDesk;
  readonly #timelines: TimelineDelivery;
  readonly #doubtful: DoubtfulRooms;
  readonly #positions = new PositionHistory();
  readonly #ending = new AbortController();
  /** Ends the poll that is under way, so that rooms are read now. */
  #interrupt = new AbortController();
  readonly #followed: Set<string>;
  /** Whether the homeserver says state after the timeline; unknown until it has said some. */
  #exact: boolean | undefined;
  #health: SyncHealth = 'starting';
  #lastSyncAt: number | null = null;
  #awaySince: number;

  constructor(options: MachineSyncOptions) {
    this.#options = options;
    this.#followed = new Set(options.stateTypes);
    const { clock, logger, directory } = options;
    const fault = (what: string, error: unknown): void => logger.error({ error: describeError(error) }, what);
    this.#link = new HomeserverLink(options);
    this.#state = new SyncedState(`${directory}/sync.sqlite`, fault);
    this.#queues = new RoomQueues(clock, this.#ending.signal);
    this.#refused = new RefusedEvents(logger);
    const shared = { link: this.#link, logger, signal: this.#ending.signal };
    this.#invitations = new InvitationDesk({ ...shared, queues: this.#queues, accepts: options.accepts });
    this.#timelines = new TimelineDelivery({ ...shared, refused: this.#refused, userId: options.userId, reader: options.messages });
    this.#doubtful = new DoubtfulRooms({
      ...shared,
      state: this.#state,
      refused: this.#refused,
      invitations: this.#invitations,
      rooms: options.rooms,
      followed: this.#followed,
      onChange: () => this.#tellChange(),
    });
    this.#outbox = new Outbox(`${directory}/outbox.sqlite`, fault, {
      clock,
      logger,
      signal: this.#ending.signal,
      send: ({ room, type, content }, transaction) =>
        this.#queues.run(room, () => this.#link.send(room, type, transaction, content, this.#ending.signal)),
    });
    this.#awaySince = clock.monotonic();
  }

  get health(): SyncHealth {
    return this.#health;
  }

  /** When the homeserver answered a sync last; `null` before the first. */
  get lastSyncAt(): number | null {
    return this.#lastSyncAt;
  }

  /** Events that could not be read: how many since the start, and the newest of them. */
  get refused(): { readonly count: number; readonly newest: readonly RefusedEvent[] } {
    return this.#refused;
  }

  /** Begins to sync. State that was kept on disk is there at once and told by a first `onChange`, homeserver or not. */
  start(): void {
    this.#outbox.start();
    this.#tellChange();
    void this.#run();
  }

  /** All state of one type in a room, redacted and empty ones included; empty when the room is not joined. */
  state(room: RoomId, type: string): StateFact[] {
    return this.#state.facts(room, type);
  }

  /**
   * Resolves when `state` says of the pinned rooms what the homeserver says: at once where its syncs say the state after the timeline,
   * else after they have been read again. For what cannot be undone. Throws `homeserver_unreachable` while that cannot be known.
   */
  async confirm(): Promise<void> {
    if (this.#exact === true && this.#health === 'live') return;
    if (this.#health === 'logged_out') throw new BureauError('logged_out', 'The homeserver does not let the machine in any more');
    const settled = this.#doubtful.settled();
    this.#readAgain(this.#options.rooms);
    await settled;
  }

  /** Follows further types of state from now on, in every room that the machine is in; what is already there is read. */
  follow(types: Iterable<string>): void {
    const fresh = [...types].filter((type) => !this.#followed.has(type));
    if (fresh.length === 0) return;
    for (const type of fresh) this.#followed.add(type);
    this.#readAgain(this.#state.rooms());
  }

  /** Whether the machine is in a room, as far as the sync has told. */
  isMember(room: RoomId): boolean {
    return this.#state.knows(room);
  }

  /** Writes a state event, without a key under the machine's own user ID. Throws `rate_limited` with `retryAfterMilliseconds`, `matrix_refused`, `homeserver_unreachable`. */
  async publish(
    room: RoomId,
    type: string,
    content: Readonly<Record<string, unknown>>,
    stateKey: string = this.#options.userId,
  ): Promise<void> {
    await this.#queues.run(room, () => this.#link.putState(room, type, stateKey, content, this.#ending.signal));
  }

  /** Sends a message once and surely: on disk when this returns, across restarts, the same key never twice. Throws `outbox_full`. */
  post(message: Message): void {
    this.#outbox.post(message);
  }

  /** Ends the sync and closes its files; what waits to be sent is sent by the next process. */
  stop(): void {
    this.#ending.abort(new BureauError('stopped', 'The daemon ends'));
    this.#interrupt.abort();
    this.#state.close();
    this.#outbox.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#step();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        if (!this.#noteFailure(error)) return;
        await sleep(this.#options.clock, retryPause(error, failures), signal).catch(() => undefined);
      }
    }
  }

  /** One sync, taken; rooms in doubt are read before it, while no other answer is on its way. */
  async #step(): Promise<void> {
    this.#interrupt = new AbortController();
    const live = this.#health === 'live';
    if (!live) this.#doubtful.add(this.#options.rooms);
    else if (this.#doubtful.isAny) await this.#doubtful.read({ live });
    const began = this.#options.clock.monotonic();
    const since = this.#state.position;
    const news = await this.#poll(since, live ? POLL_MILLISECONDS : 0);
    if (news === undefined) return;
    await this.#take(news, since);
    if (!live) await this.#becomeLive(news, began);
    this.#lastSyncAt = this.#options.clock.now();
  }

  /** What the homeserver answers; `undefined` when rooms are to be read first. */
  async #poll(since: string | undefined, timeoutMilliseconds: number): Promise<SyncNews | undefined> {
    const { signal: interrupted } = this.#interrupt;
    const { userId } = this.#options;
    try {
      const signal = AbortSignal.any([this.#ending.signal, interrupted]);
      const scope = { stateTypes: [...this.#followed], timelineTypes: this.#timelines.types };
      return readSyncAnswer(await this.#link.sync(scope, { since, timeoutMilliseconds, signal }), userId);
    } catch (error) {
      if (interrupted.aborted) return undefined;
      throw error;
    }
  }

  async #take(news: SyncNews, since: string | undefined): Promise<void> {
    this.#refused.add(news.refused);
    if (this.#positions.isOld(news.position)) this.#doubtful.add(this.#options.rooms);
    const own = this.#options.userId;
    let changed = since === undefined && this.#state.keepOnly(news.rooms.map(({ room }) => room));
    for (const each of news.rooms) {
      if (each.state.length > 0) this.#exact = each.exact;
      const change = this.#state.take(each.room, each.state, { whole: since === undefined });
      changed ||= change.set.some(({ sender }) => sender !== own);
      const inDoubt = change.old > 0 || (each.gapFrom !== undefined && !each.exact) || this.#redacts(each);
      if (inDoubt) this.#doubtful.add([each.room]);
      this.#refused.addSurplus(each.room, change.tooMany);
    }
    for (const room of news.left) changed = this.#state.drop(room) || changed;
    if (changed) {
      this.#options.logger.info({ events: news.rooms.reduce((sum, { state }) => sum + state.length, 0) }, 'the rooms have changed');
      this.#tellChange();
    }
    this.#invitations.answer(news.invitations);
    if (since !== undefined) for (const each of news.rooms) await this.#timelines.deliver(each, since);
    // What has changed is acted on first: the disk may take its time.
    await new Promise(setImmediate);
    if (!this.#ending.signal.aborted) this.#state.save(news.position);
  }

  /** An event that stands was taken back: its content is told by the room's state alone. */
  #redacts({ room, timeline }: RoomNews): boolean {
    return timeline.some(({ type, content, redacts }) => {
      const target = content['redacts'] ?? redacts;
      return type === 'm.room.redaction' && typeof target === 'string' && this.#state.stands(room, target);
    });
  }

  /** The homeserver answers again: what it says now is compared with what it said before, since it may have been restored meanwhile. */
  async #becomeLive(news: SyncNews, began: number): Promise<void> {
    const { clock, logger } = this.#options;
    await this.#doubtful.read({ live: false });
    this.#health = 'live';
    const events = news.rooms.reduce((sum, { state, timeline }) => sum + state.length + timeline.length, 0);
    const now = clock.monotonic();
    const facts = { away: Math.round(began - this.#awaySince), milliseconds: Math.round(now - began), events };
    logger.info(facts, 'the homeserver answers; caught up');
    this.#tellChange();
  }

  /** Whether to try again. */
  #noteFailure(error: unknown): boolean {
    const { logger, clock } = this.#options;
    this.#doubtful.giveUp(error);
    if (hasCode(error, 'logged_out')) {
      this.#health = 'logged_out';
      logger.error({ error: describeError(error) }, 'the machine is logged out');
      this.#tellChange();
      return false;
    }
    if (isRefusedPosition(error) && this.#state.position !== undefined) {
      logger.error({}, 'the homeserver does not know our sync position; beginning anew');
      this.#state.forgetPosition();
    }
    if (this.#health === 'live') this.#awaySince = clock.monotonic();
    if (this.#health !== 'offline') {
      this.#health = 'offline';
      logger.warn({ error: describeError(error) }, 'the homeserver does not answer as it should; what runs goes on');
      this.#tellChange();
    }
    return true;
  }

  #readAgain(rooms: readonly RoomId[]): void {
    this.#doubtful.add(rooms);
    this.#interrupt.abort();
  }

  #tellChange(): void {
    try {
      this.#options.onChange();
    } catch (error) {
      this.#options.logger.error({ error: describeError(error) }, 'a change could not be taken; the sync goes on');
    }
  }
}

/** A sync has no other parameters that a homeserver could find wrong: 400 is about `since`. */
function isRefusedPosition(error: unknown): boolean {
  return error instanceof BureauError && error.code === 'matrix_refused' && error.data['status'] === 400;
}
