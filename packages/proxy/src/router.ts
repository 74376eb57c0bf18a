// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import type { GenericSchema, InferOutput } from 'valibot';
import type { AgentAuthorization } from './authorization.ts';
import type { EventStream } from './event-stream.ts';
import type { AliasCache } from './matrix/alias-cache.ts';
import type { RoomQueues } from './matrix/room-queues.ts';
import { Problem, quoted } from './problem.ts';
import { readQuery } from './query.ts';
import type { ProxyLimits } from './limits.ts';
import type { CredentialStore } from './store.ts';
import type { Trace } from './trace.ts';

/** What all routes of one proxy share. */
export interface RouteServices {
  readonly store: CredentialStore;
  readonly aliases: AliasCache;
  readonly authorization: AgentAuthorization;
  /** What waits to be sent to each room. */
  readonly rooms: RoomQueues;
  readonly clock: Clock;
  readonly limits: ProxyLimits;
  /** Hash of the build. */
  readonly build: string;
  readonly randomId: () => string;
}

/** One call of a route. */
export interface RouteCall<Body, Query = undefined> {
  /** Values of `{name}` segments, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  /** A request header that is there once, or `undefined`. */
  readonly header: (name: string) => string | undefined;
  readonly trace: Trace;
  /** Gives the signal that is aborted when the agent has gone. */
  readonly signal: () => AbortSignal;
}

/** What a route gives back: JSON, or server-sent events for as long as `stream` runs. */
export type Answer = JsonAnswer | EventStreamAnswer;

export interface JsonAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface EventStreamAnswer {
  /** Writes events until the agent has gone; what it throws after the first byte ends the connection. */
  readonly stream: (events: EventStream) => Promise<void>;
}

/**
 * One operation on the agent's socket, as data: routing, the checks before the handler, the log and the OpenAPI description
 * (`/v1/openapi.json`) derive from it.
 */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Literal segments and `{name}` segments. */
  readonly path: string;
  /** Names the part in log lines. */
  readonly service: string;
  readonly summary: string;
  /** Answers before the launcher has handed over a bundle. */
  readonly unconfigured: boolean;
  /** The action that the principal must be granted; the target is checked by the handler. Absent: anybody may. */
  readonly grant: string | undefined;
  /** Present when the route takes a query: an object of strings, each at most once. */
  readonly query: GenericSchema | undefined;
  /** Present when the route takes a body. */
  readonly body: GenericSchema | undefined;
  /** What a successful answer holds, for the description. */
  readonly output: GenericSchema | undefined;
  handle(call: RouteCall<never, never>, services: RouteServices): Promise<Answer> | Answer;
}

export interface RouteDefinition<Schema extends GenericSchema | undefined, Query extends GenericSchema | undefined> extends Omit<
  Route,
  'handle' | 'body' | 'query' | 'output' | 'unconfigured' | 'grant'
> {
  readonly unconfigured?: boolean;
  readonly grant?: string;
  readonly query?: Query;
  readonly body?: Schema;
  readonly output?: GenericSchema;
  handle(
    call: RouteCall<
      Schema extends GenericSchema ? InferOutput<Schema> : undefined,
      Query extends GenericSchema ? InferOutput<Query> : undefined
    >,
    services: RouteServices,
  ): Promise<Answer> | Answer;
}

/** Declares a route; the types of body and query come from their schemas. */
export function defineRoute<Schema extends GenericSchema | undefined = undefined, Query extends GenericSchema | undefined = undefined>(
  definition: RouteDefinition<Schema, Query>,
): Route {
  const { unconfigured = false, grant, query, body, output } = definition;
  return { ...definition, unconfigured, grant, query, body, output } as Route;
}

export interface RouteMatch {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  /** As the route's schema makes it; `undefined` for a route without one. */
  readonly query: unknown;
}

/**
 * Finds the route of a request by exact literal segments: nothing is decoded or normalised but the values of parameters, so no
 * spelling of a path reaches a route but its own.
 */
export class Router {
  readonly #routes: readonly { readonly route: Route; readonly segments: readonly string[] }[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ route, segments: route.path.split('/') }));
  }

  /** Throws the `Problem`s 404 `no_such_path`, 405 `method_not_allowed` and 400 `invalid_path` or `invalid_query`. */
  match(method: string, target: string): RouteMatch {
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    const query = mark < 0 ? undefined : target.slice(mark + 1);
    const segments = path.split('/');
    const found = this.#routes.filter((entry) => fits(entry.segments, segments));
    if (found.length === 0) {
      if (path.startsWith(SERVICES)) throw noSuchService(path.slice(SERVICES.length).split('/')[0] ?? '');
      throw new Problem(404, 'no_such_path', `Nothing is served at ${quoted(path)}; GET /v1/openapi.json lists what is.`);
    }
    const wanted = method === 'HEAD' ? 'GET' : method;
    const entry = found.find(({ route }) => route.method === wanted);
    if (entry === undefined)
      throw methodNotAllowed(
        method,
        found.map(({ route }) => route.method),
      );
    const params = paramsOf(entry.segments, segments);
    if (entry.route.query !== undefined) return { route: entry.route, params, query: readQuery(query ?? '', entry.route.query) };
    if (query !== undefined) throw new Problem(400, 'invalid_query', `${entry.route.path} takes no query; leave out what follows "?".`);
    return { route: entry.route, params, query: undefined };
  }
}

/** Below it, services of this machine's principals, by role. */
const SERVICES = '/v1/services/';

function noSuchService(role: string): Problem {
  return new Problem(
    404,
    'no_such_service',
    `No service has role ${quoted(role)} for this principal; GET /v1/services lists what it may reach.`,
    {
      extensions: { role: role.slice(0, 100) },
    },
  );
}

function methodNotAllowed(method: string, methods: readonly string[]): Problem {
  const allow = methods.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one])).join(', ');
  return new Problem(405, 'method_not_allowed', `Expected ${allow} here, found ${method}.`, { headers: { allow } });
}

function fits(wanted: readonly string[], found: readonly string[]): boolean {
  return (
    wanted.length === found.length &&
    wanted.every((segment, index) => (segment.startsWith('{') ? found[index] !== '' : segment === found[index]))
  );
}

function paramsOf(wanted: readonly string[], found: readonly string[]): Readonly<Record<string, string>> {
  const entries = wanted.flatMap((segment, index) =>
    segment.startsWith('{') ? [[segment.slice(1, -1), decode(found[index] ?? '')] as const] : [],
  );
  return Object.fromEntries(entries);
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Problem(400, 'invalid_path', `Path segment ${quoted(segment)} is not percent-encoded UTF-8.`);
  }
}
