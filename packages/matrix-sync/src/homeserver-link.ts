// SPDX-License-Identifier: Apache-2.0
import { BureauError, type Clock, type RoomId, type UserId } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { HTTPError, MatrixError, Method, createClient, type MatrixClient } from 'matrix-js-sdk';
import { boundedFetch } from './bounded-fetch.ts';
import {
  ANSWER_MAX_BYTES,
  POLL_DEADLINE_MILLISECONDS,
  RATE_LIMIT_MAX_MILLISECONDS,
  REQUEST_DEADLINE_MILLISECONDS,
  TIMELINE_EVENTS_MAX,
} from './limits.ts';
import { sdkLogger } from './sdk-logger.ts';

export interface HomeserverLinkOptions {
  readonly homeserverUrl: string;
  readonly userId: UserId;
  readonly accessToken: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a sync is to bring. */
export interface SyncScope {
  readonly stateTypes: readonly string[];
  readonly timelineTypes: readonly string[];
}

export interface PollOptions {
  /** Absent: from nothing. */
  readonly since: string | undefined;
  /** How long the homeserver may wait for news. */
  readonly timeoutMilliseconds: number;
  readonly signal: AbortSignal;
}

interface RequestOptions {
  readonly abortSignal: AbortSignal;
  /** A browser's; the SDK's type asks for it. */
  readonly priority: undefined;
}

const RATE_LIMIT_DEFAULT_MILLISECONDS = 1_000;
/** Used up, unknown, or of an account that is no more: nothing but a new login helps. */
const LOGGED_OUT: readonly string[] = ['M_UNKNOWN_TOKEN', 'M_MISSING_TOKEN', 'M_USER_DEACTIVATED'];

/**
 * The homeserver through matrix-js-sdk's requests; the one file that calls it. Answers are a stranger's: they come as `unknown`, whole
 * and bounded, each within its deadline. Throws `homeserver_unreachable`, `homeserver_garbled`, `rate_limited` (with
 * `retryAfterMilliseconds`), `logged_out`, `matrix_refused` (with `status` and `errcode`), and the signal's reason.
 */
export class HomeserverLink {
  readonly #client: MatrixClient;
  readonly #clock: Clock;
  #filters = 0;

  constructor({ homeserverUrl, userId, accessToken, clock, logger }: HomeserverLinkOptions) {
    this.#clock = clock;
    this.#client = createClient({
      baseUrl: homeserverUrl,
      userId,
      accessToken,
      fetchFn: boundedFetch(ANSWER_MAX_BYTES),
      logger: sdkLogger(logger),
      disableVoip: true,
    });
  }

  /** One `/sync`. */
  sync(scope: SyncScope, { since, timeoutMilliseconds, signal }: PollOptions): Promise<unknown> {
    const query = {
      filter: JSON.stringify(this.#filter(scope, since)),
      timeout: String(timeoutMilliseconds),
      // State as it is after the timeline, where the server can say so (MSC4222).
      use_state_after: 'true',
      'org.matrix.msc4222.use_state_after': 'true',
      ...(since === undefined ? {} : { since }),
    };
    return this.#ask(
      'sync',
      signal,
      (options) => this.#client.http.authedRequest(Method.Get, '/sync', query, undefined, options),
      POLL_DEADLINE_MILLISECONDS,
    );
  }

  /** All state of a room. */
  roomState(room: RoomId, signal: AbortSignal): Promise<unknown> {
    return this.#ask('the state of a room', signal, (options) =>
      this.#client.http.authedRequest(Method.Get, `/rooms/${encodeURIComponent(room)}/state`, undefined, undefined, options),
    );
  }

  /** One page of a room's timeline, backward. */
  messages(
    room: RoomId,
    page: { readonly from: string; readonly to: string; readonly types: readonly string[] },
    signal: AbortSignal,
  ): Promise<unknown> {
    const query = {
      dir: 'b',
      from: page.from,
      to: page.to,
      limit: String(TIMELINE_EVENTS_MAX),
      filter: JSON.stringify({ types: page.types }),
    };
    return this.#ask('the messages of a room', signal, (options) =>
      this.#client.http.authedRequest(Method.Get, `/rooms/${encodeURIComponent(room)}/messages`, query, undefined, options),
    );
  }

  /** Writes state under a state key. */
  async putState(
    room: RoomId,
    type: string,
    stateKey: string,
    content: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<void> {
    const path = `/rooms/${encodeURIComponent(room)}/state/${encodeURIComponent(type)}/${encodeURIComponent(stateKey)}`;
    await this.#ask(type, signal, (options) => this.#client.http.authedRequest(Method.Put, path, undefined, { ...content }, options));
  }

  /** Sends an event of the timeline; the same transaction is the same event, however often it is sent. The event's ID. */
  async send(
    room: RoomId,
    type: string,
    transaction: string,
    content: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<string> {
    const path = `/rooms/${encodeURIComponent(room)}/send/${encodeURIComponent(type)}/${encodeURIComponent(transaction)}`;
    const answer = await this.#ask<{ event_id?: unknown }>(type, signal, (options) =>
      this.#client.http.authedRequest(Method.Put, path, undefined, { ...content }, options),
    );
    return typeof answer.event_id === 'string' ? answer.event_id : '';
  }

  async join(room: RoomId, signal: AbortSignal): Promise<void> {
    await this.#ask('a join', signal, (options) =>
      this.#client.http.authedRequest(Method.Post, `/rooms/${encodeURIComponent(room)}/join`, undefined, {}, options),
    );
  }

  async leave(room: RoomId, signal: AbortSignal): Promise<void> {
    await this.#ask('a leave', signal, (options) =>
      this.#client.http.authedRequest(Method.Post, `/rooms/${encodeURIComponent(room)}/leave`, undefined, {}, options),
    );
  }

  async #ask<Answer = unknown>(
    what: string,
    signal: AbortSignal,
    call: (options: RequestOptions) => Promise<unknown>,
    deadline = REQUEST_DEADLINE_MILLISECONDS,
  ): Promise<Answer> {
    try {
      // Not by the SDK's own limit: its timer outlives the answer, and keeps the process alive.
      const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(deadline)]);
      return (await call({ abortSignal, priority: undefined })) as Answer;
    } catch (error) {
      signal.throwIfAborted();
      throw requestError(error, what);
    }
  }

  #filter({ stateTypes, timelineTypes }: SyncScope, since: string | undefined): object {
    const nothing = { types: [] };
    this.#filters += 1;
    // Synapse gives the answer to a first sync to everybody who asks with the same filter within two minutes, and so a state that is past.
    const fresh = since === undefined ? { not_types: [`m.bureau.fresh.${this.#clock.now()}.${this.#filters}`] } : {};
    return {
      presence: { ...nothing, ...fresh },
      account_data: nothing,
      room: {
        account_data: nothing,
        ephemeral: nothing,
        state: { types: stateTypes, lazy_load_members: true },
        timeline: { types: [...timelineTypes, 'm.room.redaction', ...stateTypes], limit: since === undefined ? 1 : TIMELINE_EVENTS_MAX },
      },
    };
  }
}

function requestError(error: unknown, what: string): BureauError {
  if (error instanceof BureauError) return error;
  const cause = { cause: error };
  if (error instanceof MatrixError || error instanceof HTTPError) {
    const status = error.httpStatus ?? 0;
    const errcode = error instanceof MatrixError ? (error.errcode ?? '') : '';
    if (error.isRateLimitError())
      return new BureauError('rate_limited', `The homeserver asks to wait before the next ${what}`, {
        ...cause,
        data: { retryAfterMilliseconds: retryAfter(error) },
      });
    if (LOGGED_OUT.includes(errcode)) return new BureauError('logged_out', `The homeserver refused ${what}: ${errcode}`, cause);
    if (status >= 500) return new BureauError('homeserver_unreachable', `The homeserver cannot answer ${what}: ${status}`, cause);
    return new BureauError('matrix_refused', `The homeserver refused ${what}: ${errcode === '' ? status : errcode}`, {
      ...cause,
      data: { status, errcode },
    });
  }
  if (error instanceof SyntaxError)
    return new BureauError('homeserver_garbled', `The homeserver answered ${what} with something that is not JSON`, cause);
  const own = error instanceof Error && error.cause instanceof BureauError ? error.cause : undefined;
  return own ?? new BureauError('homeserver_unreachable', `The homeserver does not answer ${what}`, cause);
}

function retryAfter(error: HTTPError): number {
  try {
    const asked = error.getRetryAfterMs() ?? RATE_LIMIT_DEFAULT_MILLISECONDS;
    return Math.min(RATE_LIMIT_MAX_MILLISECONDS, Math.max(0, asked));
  } catch {
    return RATE_LIMIT_DEFAULT_MILLISECONDS; // It is no number.
  }
}
