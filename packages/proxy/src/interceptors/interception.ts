// SPDX-License-Identifier: Apache-2.0
import type { ResponseInterceptor, UpstreamRule } from '@bureau/protocol';
import type { Credentials } from '../credentials.ts';
import { needleOf, type Needle } from '../injection/needles.ts';
import { holdsNeedle } from '../upstreams/answer-headers.ts';
import { readingsOf } from '../upstreams/path-rules.ts';
import type { Trace } from '../trace.ts';
import { BodyCapture } from './body-capture.ts';
import { InterceptionFailure } from './failure.ts';
import { matchPath } from './path-pattern.ts';
import type { ResponseEventSink } from './response-event.ts';
import { expand, wantsResponse } from './template.ts';

/** One rule of a bundle, made ready. */
export interface Interceptor {
  readonly rule: ResponseInterceptor;
  /** `upstreams.github.response_interceptors[0]`. */
  readonly name: string;
  readonly wantsResponse: boolean;
}

/** The rules of one upstream. */
export function interceptorsOf(service: string, { response_interceptors: rules = [] }: UpstreamRule): readonly Interceptor[] {
  return rules.map((rule, index) => ({
    rule,
    name: `upstreams.${service}.response_interceptors[${index}]`,
    wantsResponse: wantsResponse(rule.event_content),
  }));
}

/** One answer whose head has come. */
export interface Answered {
  readonly method: string;
  /** Path and query, below the upstream's URL. */
  readonly target: string;
  readonly status: number;
  readonly trace: Trace;
}

export interface InterceptionOptions {
  readonly interceptors: readonly Interceptor[];
  readonly answered: Answered;
  readonly events: ResponseEventSink;
  /** Of the bundle by which the call was made. */
  readonly credentials: Credentials;
  /** What the upstream may say back of its keys. */
  readonly needles: () => readonly Needle[];
  readonly bodyMost: number;
}

interface Fitting {
  readonly interceptor: Interceptor;
  readonly path: readonly string[];
}

/**
 * What becomes of one answer beside its way to the agent, which it never delays: pieces are copied, and made something of only when the agent has
 * the last one. A rule that does not speak of the body needs no more than the head.
 */
export class Interception {
  readonly #options: InterceptionOptions;
  readonly #waiting: readonly Fitting[];
  readonly #capture: BodyCapture;

  private constructor(options: InterceptionOptions, waiting: readonly Fitting[]) {
    this.#options = options;
    this.#waiting = waiting;
    this.#capture = new BodyCapture(options.bodyMost);
  }

  /** Judges the head. Gives something that wants the body, or `undefined`. */
  static begin(options: InterceptionOptions): Interception | undefined {
    const { interceptors, answered, events } = options;
    const fitting = interceptors.flatMap((interceptor) => {
      const path = pathOf(interceptor.rule, answered);
      return path === undefined ? [] : [{ interceptor, path }];
    });
    if (fitting.length === 0) return undefined;
    if (events.full) {
      for (const _each of fitting) events.drop();
      return undefined;
    }
    const interception = new Interception(
      options,
      fitting.filter(({ interceptor }) => interceptor.wantsResponse),
    );
    for (const each of fitting) if (!each.interceptor.wantsResponse) interception.#offer(each, undefined);
    return interception.#waiting.length === 0 ? undefined : interception;
  }

  /** Copies a piece of the body, before anything is blanked in it. */
  data(piece: Buffer): void {
    this.#capture.push(piece);
  }

  /** The whole body was here. */
  ended(): void {
    const { credentials, needles } = this.#options;
    try {
      const response = this.#capture.read([...needles(), ...credentials.searched.map(needleOf)]);
      for (const each of this.#waiting) this.#offer(each, response);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The answer broke, or the agent has gone: half a body says nothing. */
  cut(): void {
    this.#capture[Symbol.dispose]();
    this.#fail(new InterceptionFailure('response_cut'));
  }

  #offer({ interceptor, path }: Fitting, response: Readonly<Record<string, unknown>> | undefined): void {
    const { answered, events, credentials, needles } = this.#options;
    const { rule, name } = interceptor;
    const { trace } = answered;
    try {
      const content = expand(rule.event_content, { agent: credentials.header.principal, path, response });
      const text = textsIn(content).join('\n');
      if (credentials.appearIn(text) || holdsNeedle(Buffer.from(text), needles())) throw new InterceptionFailure('secret_in_content');
      events.offer({ rule: name, room: rule.room, type: rule.event_type, content, trace });
    } catch (error) {
      events.fail({ rule: name, trace }, codeOf(error));
    }
  }

  #fail(error: unknown): void {
    const { events, answered } = this.#options;
    for (const { interceptor } of this.#waiting) events.fail({ rule: interceptor.name, trace: answered.trace }, codeOf(error));
  }
}

/** Nothing that goes wrong here is the agent's concern. */
function codeOf(error: unknown): string {
  return error instanceof InterceptionFailure ? error.code : 'internal';
}

/** What the pattern's `*`s stand for in any spelling of the path that some server reads as one that fits. */
function pathOf(rule: ResponseInterceptor, { method, target, status }: Answered): readonly string[] | undefined {
  if (rule.method !== undefined && rule.method !== method) return undefined;
  if (status < rule.status_min || status > rule.status_max) return undefined;
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  for (const reading of readingsOf(path)) {
    const stars = matchPath(rule.path_pattern, reading);
    if (stars !== undefined) return stars;
  }
  return undefined;
}

/** Every text in a value, names of fields included. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [key, ...textsIn(each)]);
}
