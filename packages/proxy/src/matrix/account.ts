// SPDX-License-Identifier: Apache-2.0
import { parseRoomAlias, parseRoomId, type RoomAlias, type RoomId } from '@bureau/core';
import { roomId } from '@bureau/protocol';
import * as v from 'valibot';
import type { TargetNames } from '../authorization.ts';
import { Problem, quoted } from '../problem.ts';
import type { RouteCall, RouteServices } from '../router.ts';
import type { CredentialLease } from '../store.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../upstream.ts';
import { matrixProblem, parseJson, readFailure } from './problem.ts';

const resolved = v.object({ room_id: roomId });
const aliasesOfRoom = v.object({ aliases: v.pipe(v.array(v.pipe(v.string(), v.maxLength(255))), v.maxLength(1_000)) });

/** One call of the client-server API; `path` is below `/_matrix/client/<version>`. */
export interface MatrixRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** `v3` unless the specification says otherwise. */
  readonly version?: 'v1' | 'v3';
  /** Segments, not yet percent-encoded. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  /** The homeserver does the same once or twice. */
  readonly idempotent: boolean;
  readonly longPoll?: boolean;
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

/** The Matrix account of one lease: what the homeserver is asked, with its errors as `Problem`s. */
export class MatrixAccount {
  readonly userId: string;
  readonly #call: Pick<RouteCall<never>, 'signal' | 'trace'>;
  readonly #services: RouteServices;
  readonly #lease: CredentialLease;
  readonly #upstream: Upstream;

  constructor(lease: CredentialLease, call: Pick<RouteCall<never>, 'signal' | 'trace'>, services: RouteServices) {
    this.#lease = lease;
    this.#call = call;
    this.#services = services;
    this.#upstream = lease.upstream('matrix');
    this.userId = lease.credentials.header.user_id;
  }

  /**
   * The room behind what the agent said, if the principal may do `action` there. Throws `invalid_room`, `not_granted`, and what the
   * homeserver says of an alias that leads nowhere.
   */
  async permittedRoom(action: string, text: string): Promise<RoomId> {
    const named = parseRoom(text);
    const { authorization } = this.#services;
    if (!authorization.namesMatter) authorization.require(action, { names: [named], complete: true });
    const id = await this.resolve(named);
    if (authorization.namesMatter) authorization.require(action, await this.#namesOf(id, named));
    return id;
  }

  /** Whether `action` is granted on a room that the homeserver named; asks for its aliases only when a rule speaks of any. */
  async mayOn(action: string, id: RoomId): Promise<boolean> {
    const { authorization } = this.#services;
    const names = authorization.namesMatter ? await this.#namesOf(id, id) : { names: [id], complete: true };
    return authorization.refusal(action, names) === undefined;
  }

  /** The room of an alias, asked at most once per time to live; an ID is itself. */
  async resolve(room: RoomId | RoomAlias): Promise<RoomId> {
    if (room.startsWith('!')) return room as RoomId;
    const key = this.#cacheKey(room);
    const [known] = this.#services.aliases.get(key) ?? [];
    if (known !== undefined) return known as RoomId;
    const { room_id: found } = await this.request(resolved, { method: 'GET', path: ['directory', 'room', room], idempotent: true });
    this.#services.aliases.set(key, [found]);
    return found;
  }

  /** The alias may lead elsewhere by now: the next call asks again. */
  forgetAlias(text: string): void {
    this.#services.aliases.delete(this.#cacheKey(text));
  }

  /** Makes one call and reads its answer. Throws the `Problem`s of `matrixProblem`, of `Upstream.call`, and 502 `upstream_malformed`. */
  async request<Schema extends v.GenericSchema>(schema: Schema, request: MatrixRequest): Promise<v.InferOutput<Schema>> {
    const answer = await this.#upstream.call(this.#toUpstream(request));
    if (answer.status !== 200) {
      const failure = readFailure(answer, this.#services.limits.reasonCharacters);
      this.#refuseReflection(`${failure.errcode} ${failure.reason}`);
      throw matrixProblem(answer.status, failure, this.userId);
    }
    return this.#read(answer, schema);
  }

  /** Every name that a rule may know the room by. A room whose aliases the homeserver does not tell may have more than are known. */
  async #namesOf(id: RoomId, named: string): Promise<TargetNames> {
    const key = this.#cacheKey(id);
    const spoken = named === id ? [id] : [named, id];
    const known = this.#services.aliases.get(key);
    if (known !== undefined) return { names: [...new Set([...spoken, ...known])], complete: true };
    try {
      const { aliases } = await this.request(aliasesOfRoom, { method: 'GET', path: ['rooms', id, 'aliases'], idempotent: true });
      this.#services.aliases.set(key, aliases);
      return { names: [...new Set([...spoken, ...aliases])], complete: true };
    } catch (error) {
      if (error instanceof Problem && (error.status === 403 || error.status === 404)) return { names: spoken, complete: false };
      throw error;
    }
  }

  #toUpstream({ path, query, body, method, idempotent, version = 'v3', longPoll = false }: MatrixRequest): UpstreamRequest {
    // Percent-encoding leaves them as they are, and what stands before a homeserver may read them as directories.
    const dots = path.find((segment) => segment === '.' || segment === '..');
    if (dots !== undefined)
      throw new Problem(400, 'invalid_path', `Expected another name than ${quoted(dots)}, which servers read as a directory.`);
    const parameters = Object.entries(query ?? {}).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
    const suffix =
      parameters.length === 0 ? '' : `?${parameters.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')}`;
    return {
      method,
      path: `/_matrix/client/${version}/${path.map((segment) => encodeURIComponent(segment)).join('/')}${suffix}`,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      idempotent,
      longPoll,
      signal: this.#call.signal(),
      trace: this.#call.trace,
    };
  }

  #cacheKey(room: string): string {
    return `${this.#upstream.url.href} ${room}`;
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
    if (!this.#lease.credentials.appearIn(text)) return;
    throw new Problem(
      502,
      'upstream_reflected_secret',
      `${this.#upstream.service} at ${this.#upstream.url.origin} put a key into its answer, which is withheld; an operator has to check the homeserver.`,
    );
  }
}

/** Runs one route with the account of the keys in use; they stay in use until it has ended. */
export async function withAccount<Result>(
  call: Pick<RouteCall<never>, 'signal' | 'trace'>,
  services: RouteServices,
  task: (account: MatrixAccount) => Promise<Result>,
): Promise<Result> {
  // Taken only now, with the whole body here: a slow body never holds old keys.
  using lease = services.store.lease();
  return await task(new MatrixAccount(lease, call, services));
}
