// SPDX-License-Identifier: Apache-2.0
import { parseRoomAlias, parseRoomId, type RoomAlias, type RoomId } from '@bureau/core';
import { roomId } from '@bureau/protocol';
import * as v from 'valibot';
import type { AliasCache } from './alias-cache.ts';
import { matrixProblem, parseJson, readFailure } from './matrix-problem.ts';
import { Problem, quoted } from './problem.ts';
import type { CredentialLease } from './store.ts';
import type { Trace } from './trace.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from './upstream.ts';

const resolved = v.object({ room_id: roomId });
const sent = v.object({ event_id: v.pipe(v.string(), v.regex(/^\$[\x21-\x7e]{1,254}$/)) });

export interface MatrixCallOptions {
  readonly lease: CredentialLease;
  readonly aliases: AliasCache;
  readonly reasonCharacters: number;
  readonly signal: AbortSignal;
  readonly trace: Trace;
}

export interface MessageContent {
  readonly msgtype: string;
  readonly body: string;
}

/** A room as an agent names it. Throws the `Problem` 400 `invalid_room`. */
export function parseRoom(text: string): RoomId | RoomAlias {
  try {
    if (text.startsWith('!')) return parseRoomId(text);
    if (text.startsWith('#')) return parseRoomAlias(text);
  } catch {
    // Told below, for both kinds.
  }
  throw new Problem(
    400,
    'invalid_room',
    `Expected a room ID ("!…") or a room alias ("#name:server"), percent-encoded, found ${quoted(text)}.`,
  );
}

/** The Matrix account of one lease: each method is one thing that the homeserver is asked to do, with its errors as `Problem`s. */
export class MatrixAccount {
  readonly #options: MatrixCallOptions;
  readonly #upstream: Upstream;
  readonly #user: string;

  constructor(options: MatrixCallOptions) {
    this.#options = options;
    this.#upstream = options.lease.upstream('matrix');
    this.#user = options.lease.credentials.header.user_id;
  }

  /** The room of an alias, asked at most once per time to live; an ID is itself. */
  async resolve(room: RoomId | RoomAlias): Promise<RoomId> {
    if (room.startsWith('!')) return room as RoomId;
    const key = this.#cacheKey(room);
    const known = this.#options.aliases.get(key);
    if (known !== undefined) return known;
    const answer = await this.#call({
      method: 'GET',
      path: `/_matrix/client/v3/directory/room/${encodeURIComponent(room)}`,
      idempotent: true,
    });
    const found = this.#read(answer, resolved).room_id;
    this.#options.aliases.set(key, found);
    return found;
  }

  /** Sends a message; the same `transactionId` again gives the same event. */
  async sendMessage(room: RoomId | RoomAlias, content: MessageContent, transactionId: string): Promise<string> {
    const id = await this.resolve(room);
    try {
      const answer = await this.#call({
        method: 'PUT',
        path: `/_matrix/client/v3/rooms/${encodeURIComponent(id)}/send/m.room.message/${encodeURIComponent(transactionId)}`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(content),
        idempotent: true,
      });
      return this.#read(answer, sent).event_id;
    } catch (error) {
      // The alias may lead elsewhere by now: the next try asks again.
      if (error instanceof Problem && (error.status === 403 || error.status === 404)) this.#options.aliases.delete(this.#cacheKey(room));
      throw error;
    }
  }

  #cacheKey(room: string): string {
    return `${this.#upstream.url.href} ${room}`;
  }

  async #call(request: Omit<UpstreamRequest, 'signal' | 'trace'>): Promise<UpstreamAnswer> {
    const answer = await this.#upstream.call({ ...request, signal: this.#options.signal, trace: this.#options.trace });
    if (answer.status === 200) return answer;
    const failure = readFailure(answer, this.#options.reasonCharacters);
    this.#refuseReflection(`${failure.errcode} ${failure.reason}`);
    throw matrixProblem(answer.status, failure, this.#user);
  }

  #read<Schema extends v.GenericSchema>(answer: UpstreamAnswer, schema: Schema): v.InferOutput<Schema> {
    const result = v.safeParse(schema, parseJson(answer.body));
    if (!result.success)
      throw new Problem(
        502,
        'upstream_malformed',
        `${this.#upstream.service} at ${this.#upstream.url.origin} answered 200 with something that the Matrix API does not define; an operator has to check the homeserver.`,
      );
    this.#refuseReflection(JSON.stringify(result.output));
    return result.output;
  }

  /** A hostile or broken upstream that echoes what it was sent must not hand the key to the agent. */
  #refuseReflection(text: string): void {
    if (!this.#options.lease.credentials.appearIn(text)) return;
    throw new Problem(
      502,
      'upstream_reflected_secret',
      `${this.#upstream.service} at ${this.#upstream.url.origin} put a key into its answer, which is withheld; an operator has to check the homeserver.`,
    );
  }
}
