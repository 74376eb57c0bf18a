// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream';
import type { Clock } from '@bureau/core';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ResponseEventSink } from '../interceptors/response-event.ts';
import type { ProxyLimits } from '../limits.ts';
import { Problem, quoted } from '../problem.ts';
import type { CredentialStore } from '../store.ts';
import type { Trace } from '../trace.ts';
import { refusalOf } from './path-rules.ts';
import { asksForWebSocket, upgradeUnavailable } from './websocket.ts';
import type { Service } from './service.ts';
import type { CallEnd } from './call-options.ts';
import { ServiceCall } from './service-call.ts';

/** What stands before a service's name in a target. */
const HTTP_PREFIX = '/v1/http/';
const SERVICE_NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** Methods that no upstream is sent: they reflect what they got, or open tunnels. */
const NEVER: readonly string[] = ['CONNECT', 'TRACE', 'TRACK'];

export interface ForwardRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly trace: Trace;
  readonly store: CredentialStore;
  readonly limits: ProxyLimits;
  /** Told as soon as it is known which upstream is meant, for the log of what is refused: the service, and the path without anything that the agent chose. */
  readonly named: (service: string, path: string) => void;
  readonly clock: Clock;
  /** Where answers go that become events. */
  readonly events: ResponseEventSink;
  /** The connection of a request with `Upgrade`, when it was taken off the server. */
  readonly upgrade?: { readonly socket: Duplex; readonly head: Buffer } | undefined;
}

/** A judged call, ready to begin. */
export interface Forwarding {
  /** Calls back once, when the exchange is over: see `CallEnd`. */
  start(done: (end: CallEnd) => void): void;
}

/** True for a target that `forwardTo` takes. */
export function isForwardTarget(target: string): boolean {
  return target.startsWith(HTTP_PREFIX);
}

/** An upstream, and what it would be asked for: path and query as they came. */
interface Judged {
  readonly name: string;
  readonly service: Service;
  readonly target: string;
}

/**
 * Judges `/v1/http/<service>/<path>?<query>`: what follows the service goes out byte for byte below its URL. Throws the `Problem`s 404
 * `no_such_path`, 403 `upstream_not_granted`, `upstream_rule_refused`, `upstream_path_ambiguous`, and those of the store.
 */
export function judgeForward(store: CredentialStore, method: string, url: string, named?: ForwardRequest['named']): Judged {
  const rest = url.slice(HTTP_PREFIX.length);
  const end = rest.search(/[/?]/);
  const name = end === -1 ? rest : rest.slice(0, end);
  if (!SERVICE_NAME.test(name)) {
    throw new Problem(404, 'no_such_path', `Expected ${HTTP_PREFIX}<service>/<path> with the name of an upstream, found ${quoted(name)}.`);
  }
  const below = end === -1 ? '' : rest.slice(end);
  const target = below.startsWith('/') ? below : `/${below}`;
  const service = store.current().service(name);
  named?.(name, `${HTTP_PREFIX}${name}/…`);
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  if (NEVER.includes(method))
    throw new Problem(403, 'method_forbidden', `${method} is never passed on; use another method.`, { close: true });
  const refusal = refusalOf(service.rule, method, path);
  if (refusal !== undefined) {
    throw new Problem(
      403,
      refusal.code,
      `${method} ${quoted(path)} is not allowed at upstream ${name} of this principal's bundle: ${refusal.why}. ${
        refusal.rule === 'path' ? 'Send a plain path.' : `An operator can allow it by sealing a bundle with wider ${refusal.rule}.`
      }`,
      { extensions: { rule: `upstreams.${name}.${refusal.rule}` } },
    );
  }
  return { name, service, target };
}

/** Judges a call as `judgeForward` does, and a change of protocol that it asks for: 426 `upgrade_unavailable`. */
export function forwardTo(call: ForwardRequest): Forwarding {
  const { request, store } = call;
  const { name, service, target } = judgeForward(store, request.method as string, request.url as string, call.named);
  const { response, trace, limits, clock, upgrade, events } = call;
  if (upgrade !== undefined && !(service.websocket && asksForWebSocket(request))) throw upgradeUnavailable(name);
  return {
    start: (done) =>
      new ServiceCall({
        request,
        response,
        target,
        service: name,
        trace,
        current: () => store.current(),
        limits,
        clock,
        events,
        upgrade,
        done,
      }).start(),
  };
}
