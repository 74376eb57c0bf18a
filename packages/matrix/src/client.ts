// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { hasCode, type RoomAlias, type RoomId, type UserId } from '@bureau/core';
import type { Content, CreateRoom, Member, MessagesPage, MessagesQuery } from './client-types.ts';
import { MatrixHttp, type AccessToken, type CallOptions, type MatrixHttpOptions } from './http.ts';
import { SYNC_MARGIN_MS } from './limits.ts';
import * as schemas from './schemas.ts';
import { readAnswer, type RoomEvent, type StateEvent, type SyncAnswer } from './schemas.ts';
import { changeOwnPassword, loginWithPassword, registerWithToken, type Login, type MatrixSession, type Registration } from './session.ts';

/**
 * The client-server API, as much as Bureau's own work needs; not a Matrix SDK: no encryption, no store, no timeline.
 * Each call takes `{ signal, deadlineMilliseconds }`; every failure is a `BureauError` whose code starts with `matrix_` (see `errors.ts`).
 * Absent things (an alias, a state event) are `undefined`, not errors. Holds no connection that keeps the process alive.
 */
export class MatrixClient {
  readonly #http: MatrixHttp;
  readonly #options: MatrixHttpOptions;

  constructor(options: MatrixHttpOptions) {
    this.#http = new MatrixHttp(options);
    this.#options = options;
  }

  /** The same server with another token. */
  withToken(token: AccessToken): MatrixClient {
    return new MatrixClient({ ...this.#options, token });
  }

  /** Specification versions that the server offers. */
  async versions(options: CallOptions = {}): Promise<readonly string[]> {
    return readAnswer(
      schemas.versionsAnswer,
      await this.#http.call({ ...options, method: 'GET', path: ['versions'], anonymous: true }),
      'versions',
    ).versions;
  }

  /** Room versions that the server calls stable. */
  async roomVersions(options: CallOptions = {}): Promise<readonly string[]> {
    const answer = await this.#http.call({ ...options, method: 'GET', path: ['v3', 'capabilities'] });
    const available = readAnswer(schemas.capabilitiesAnswer, answer, 'capabilities').capabilities['m.room_versions']?.available ?? {};
    return Object.entries(available)
      .filter(([, stability]) => stability === 'stable')
      .map(([version]) => version);
  }

  /** Whose token this is. A dead one: `matrix_unknown_token`. */
  async whoami(options: CallOptions = {}): Promise<{ readonly userId: string; readonly deviceId: string | undefined }> {
    const answer = readAnswer(
      schemas.whoamiAnswer,
      await this.#http.call({ ...options, method: 'GET', path: ['v3', 'account', 'whoami'] }),
      'whoami',
    );
    return { userId: answer.user_id, deviceId: answer.device_id };
  }

  /** A new account. `matrix_user_in_use` when the name is taken, `matrix_registration_token_refused` when the token is. */
  register(registration: Registration, options: CallOptions = {}): Promise<MatrixSession> {
    return registerWithToken(this.#http, registration, options);
  }

  /** A new token for an account. `matrix_forbidden` when name and password do not fit. */
  login(login: Login, options: CallOptions = {}): Promise<MatrixSession> {
    return loginWithPassword(this.#http, login, options);
  }

  /** Changes the password of the token's account; its sessions stay. `matrix_forbidden` when `former` is not its password. */
  changePassword(
    change: { readonly username: string; readonly former: string; readonly next: string },
    options: CallOptions = {},
  ): Promise<void> {
    return changeOwnPassword(this.#http, change, options);
  }

  /** Deletes this token's device with all of its tokens. A token that is dead already is fine. */
  async logout(options: CallOptions = {}): Promise<void> {
    try {
      await this.#http.call({ ...options, method: 'POST', path: ['v3', 'logout'], body: {} });
    } catch (error) {
      if (!hasCode(error, 'matrix_unknown_token')) throw error;
    }
  }

  /** Makes an unlisted, invite-only room. `matrix_room_in_use` when the alias is taken. */
  async createRoom(room: CreateRoom, options: CallOptions = {}): Promise<RoomId> {
    const body = {
      preset: 'private_chat',
      visibility: 'private',
      room_version: room.roomVersion,
      ...(room.aliasLocalpart === undefined ? {} : { room_alias_name: room.aliasLocalpart }),
      name: room.name,
      topic: room.topic,
      ...(room.creationContent === undefined ? {} : { creation_content: room.creationContent }),
      power_level_content_override: room.powerLevels,
      initial_state: (room.initialState ?? []).map(({ type, stateKey, content }) => ({ type, state_key: stateKey ?? '', content })),
      ...(room.invite === undefined ? {} : { invite: room.invite }),
    };
    return readAnswer(
      schemas.roomAnswer,
      await this.#http.call({ ...options, method: 'POST', path: ['v3', 'createRoom'], body }),
      'createRoom',
    ).room_id;
  }

  /** The room behind an alias, or `undefined` when it names none. */
  async resolveAlias(alias: RoomAlias, options: CallOptions = {}): Promise<RoomId | undefined> {
    const answer = await absentAsUndefined(this.#http.call({ ...options, method: 'GET', path: ['v3', 'directory', 'room', alias] }));
    return answer === undefined ? undefined : readAnswer(schemas.aliasAnswer, answer, 'an alias').room_id;
  }

  /** Gives a room an alias. `matrix_forbidden` where only operators may. */
  async createAlias(alias: RoomAlias, room: RoomId, options: CallOptions = {}): Promise<void> {
    await this.#http.call({ ...options, method: 'PUT', path: ['v3', 'directory', 'room', alias], body: { room_id: room } });
  }

  /** Takes an alias away. */
  async deleteAlias(alias: RoomAlias, options: CallOptions = {}): Promise<void> {
    await this.#http.call({ ...options, method: 'DELETE', path: ['v3', 'directory', 'room', alias] });
  }

  /** The content of one state event, or `undefined` when there is none. */
  async state(room: RoomId, type: string, stateKey = '', options: CallOptions = {}): Promise<Content | undefined> {
    return absentAsUndefined(this.#http.call({ ...options, method: 'GET', path: ['v3', 'rooms', room, 'state', type, stateKey] }));
  }

  /** All state of a room that we are in. */
  async allState(room: RoomId, options: CallOptions = {}): Promise<readonly StateEvent[]> {
    return readAnswer(
      schemas.stateAnswer,
      await this.#http.call({ ...options, method: 'GET', path: ['v3', 'rooms', room, 'state'] }),
      'the state of a room',
    ).list;
  }

  /** Sets one state event; the same content again gives the same event ID. */
  async setState(room: RoomId, type: string, stateKey: string, content: Content, options: CallOptions = {}): Promise<string> {
    const answer = await this.#http.call({
      ...options,
      method: 'PUT',
      path: ['v3', 'rooms', room, 'state', type, stateKey],
      body: content,
    });
    return readAnswer(schemas.eventAnswer, answer, 'a state event').event_id;
  }

  /** Sends an event. Repeat with the same `transactionId` (one per event and device) to be sure without doubling it. */
  async send(
    room: RoomId,
    type: string,
    content: Content,
    transactionId: string = newTransactionId(),
    options: CallOptions = {},
  ): Promise<string> {
    const answer = await this.#http.call({
      ...options,
      method: 'PUT',
      path: ['v3', 'rooms', room, 'send', type, transactionId],
      body: content,
    });
    return readAnswer(schemas.eventAnswer, answer, 'an event').event_id;
  }

  /**
   * Says whether a user is there, with a line for people; the token must be that user's. A homeserver that keeps no presence, as the
   * stand's, answers the same and forgets it.
   */
  async setPresence(user: UserId, presence: 'online' | 'offline', statusText: string, options: CallOptions = {}): Promise<void> {
    await this.#http.call({
      ...options,
      method: 'PUT',
      path: ['v3', 'presence', user, 'status'],
      body: { presence, status_msg: statusText },
    });
  }

  /** Accepts an invitation, or joins what may be joined; fine when we are in. */
  async join(room: RoomId | RoomAlias, options: CallOptions = {}): Promise<RoomId> {
    return readAnswer(
      schemas.roomAnswer,
      await this.#http.call({ ...options, method: 'POST', path: ['v3', 'join', room], body: {} }),
      'join',
    ).room_id;
  }

  async leave(room: RoomId, options: CallOptions = {}): Promise<void> {
    await this.#http.call({ ...options, method: 'POST', path: ['v3', 'rooms', room, 'leave'], body: {} });
  }

  /** Invites. Somebody who is in already: `matrix_forbidden`. */
  async invite(room: RoomId, user: UserId, options: CallOptions = {}): Promise<void> {
    await this.#http.call({ ...options, method: 'POST', path: ['v3', 'rooms', room, 'invite'], body: { user_id: user } });
  }

  async kick(room: RoomId, user: UserId, reason?: string, options: CallOptions = {}): Promise<void> {
    await this.#http.call({
      ...options,
      method: 'POST',
      path: ['v3', 'rooms', room, 'kick'],
      body: { user_id: user, ...(reason === undefined ? {} : { reason }) },
    });
  }

  /** Everybody with a membership, the past ones (`leave`, `ban`) included. */
  async members(room: RoomId, options: CallOptions = {}): Promise<readonly Member[]> {
    const answer = readAnswer(
      schemas.membersAnswer,
      await this.#http.call({ ...options, method: 'GET', path: ['v3', 'rooms', room, 'members'] }),
      'members',
    );
    return answer.chunk.map(({ state_key: userId, content }) => ({
      userId,
      membership: content.membership,
      ...(typeof content.displayname === 'string' ? { displayName: content.displayname } : {}),
    }));
  }

  async joinedRooms(options: CallOptions = {}): Promise<readonly RoomId[]> {
    return readAnswer(
      schemas.joinedRoomsAnswer,
      await this.#http.call({ ...options, method: 'GET', path: ['v3', 'joined_rooms'] }),
      'joined rooms',
    ).joined_rooms;
  }

  /** One page of a timeline. */
  async messages(room: RoomId, query: MessagesQuery = {}, options: CallOptions = {}): Promise<MessagesPage> {
    const parameters = {
      dir: query.direction === 'forward' ? 'f' : 'b',
      from: query.from,
      to: query.to,
      limit: query.limit ?? 50,
      filter: query.filter === undefined ? undefined : JSON.stringify(query.filter),
    };
    const answer = readAnswer(
      schemas.messagesAnswer,
      await this.#http.call({ ...options, method: 'GET', path: ['v3', 'rooms', room, 'messages'], query: parameters }),
      'messages',
    );
    return { events: answer.chunk, start: answer.start, end: answer.end };
  }

  /** One page of a thread, without the event that it hangs on. */
  async threadMessages(
    room: RoomId,
    root: string,
    query: Pick<MessagesQuery, 'from' | 'direction' | 'limit'> = {},
    options: CallOptions = {},
  ): Promise<MessagesPage> {
    const parameters = { dir: query.direction === 'forward' ? 'f' : 'b', from: query.from, limit: query.limit ?? 50 };
    const path = ['v1', 'rooms', room, 'relations', root, 'm.thread'];
    const answer = readAnswer(
      schemas.relationsAnswer,
      await this.#http.call({ ...options, method: 'GET', path, query: parameters }),
      'a thread',
    );
    return { events: answer.chunk, start: answer.prev_batch, end: answer.next_batch };
  }

  /** One event of a room, or `undefined` when the room has none of this ID that we may see. */
  async event(room: RoomId, eventId: string, options: CallOptions = {}): Promise<RoomEvent | undefined> {
    const answer = await absentAsUndefined(this.#http.call({ ...options, method: 'GET', path: ['v3', 'rooms', room, 'event', eventId] }));
    return answer === undefined ? undefined : readAnswer(schemas.roomEvent, answer, 'an event');
  }

  /** A room's state of these types when an event was sent, that event included. `matrix_not_found` when we may not see it. */
  async stateAt(room: RoomId, eventId: string, types: readonly string[], options: CallOptions = {}): Promise<readonly StateEvent[]> {
    const answer = await this.#http.call({
      ...options,
      method: 'GET',
      path: ['v3', 'rooms', room, 'context', eventId],
      query: { limit: 0 },
    });
    const { state } = readAnswer(schemas.contextAnswer, answer, 'the state around an event');
    return state.filter(({ type }) => types.includes(type));
  }

  /** One `/sync`: answers at once with news since `since`, else after `timeoutMilliseconds`. `filter` is JSON. */
  async sync(
    query: { readonly since?: string; readonly timeoutMilliseconds?: number; readonly filter?: Content } = {},
    options: CallOptions = {},
  ): Promise<SyncAnswer> {
    const wait = query.timeoutMilliseconds ?? 0;
    const parameters = {
      since: query.since,
      timeout: wait,
      set_presence: 'offline',
      filter: query.filter === undefined ? undefined : JSON.stringify(query.filter),
    };
    return readAnswer(
      schemas.syncAnswer,
      await this.#http.call({
        deadlineMilliseconds: wait + SYNC_MARGIN_MS,
        ...options,
        method: 'GET',
        path: ['v3', 'sync'],
        query: parameters,
      }),
      'sync',
    );
  }
}

/** Unique for a device's life. */
export function newTransactionId(): string {
  return `b${randomBytes(16).toString('hex')}`;
}

async function absentAsUndefined<Value>(answer: Promise<Value>): Promise<Value | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (hasCode(error, 'matrix_not_found')) return undefined;
    throw error;
  }
}
