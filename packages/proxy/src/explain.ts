// SPDX-License-Identifier: Apache-2.0
import { withAccount } from './matrix/account.ts';
import { knownTarget } from './authorization.ts';
import { absoluteTargetOf } from './forward/absolute-target.ts';
import { formatIpAddress } from './forward/ip-address.ts';
import { grantsFor } from './forward/forward-rules.ts';
import type { Resolver } from './forward/resolver.ts';
import { connectTargetOf, egressOf } from './forward/tunnels.ts';
import { Problem } from './problem.ts';
import type { Router, RouteServices } from './router.ts';
import { newTrace } from './trace.ts';
import { isForwardTarget, judgeForward } from './upstreams/forward.ts';

/** What is asked: an action such as `matrix/join` on a target, or a method and where it would go. */
export interface Question {
  readonly subject: string;
  readonly target: string | undefined;
}

/** What the agent would be told, and by which rule. */
export interface Explanation {
  readonly allowed: boolean;
  /** Of the problem that the agent would get. */
  readonly code: string | null;
  readonly rule: string | null;
  readonly reason: string;
}

export interface ExplainOptions {
  readonly router: Router;
  readonly services: RouteServices;
  readonly resolver: Resolver;
}

/** Says whether the agent may, by the very rules and code that judge its requests; nothing is sent but look-ups of names and aliases. */
export async function explain({ subject, target }: Question, options: ExplainOptions, signal: AbortSignal): Promise<Explanation> {
  try {
    const { rule, reason } = subject.includes('/')
      ? await explainAction(subject, target, options.services, signal)
      : await explainRequest(subject, target ?? '', options);
    return { allowed: true, code: null, rule, reason };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { rule } = error.extensions;
    return { allowed: false, code: error.code, rule: typeof rule === 'string' ? rule : null, reason: error.message };
  }
}

interface Allowed {
  readonly rule: string | null;
  readonly reason: string;
}

async function explainAction(action: string, target: string | undefined, services: RouteServices, signal: AbortSignal): Promise<Allowed> {
  const { authorization } = services;
  const call = { signal: () => signal, trace: newTrace() };
  // A room is judged by all of its names, as it is when the agent asks.
  if (target !== undefined && /^[!#]/.test(target)) await withAccount(call, services, (account) => account.permittedRoom(action, target));
  else authorization.require(action, target === undefined ? knownTarget() : knownTarget(target));
  return { rule: 'grants', reason: `${action} is granted and no denial forbids it` };
}

async function explainRequest(method: string, url: string, { router, services, resolver }: ExplainOptions): Promise<Allowed> {
  const { store } = services;
  if (method === 'CONNECT' || /^[a-z][a-z0-9+.-]*:\/\//i.test(url)) {
    const request = { method, url, headers: {} };
    const { policy, homeserver } = egressOf(store);
    const target = method === 'CONNECT' ? connectTargetOf(request, homeserver) : absoluteTargetOf(request).target;
    const grants = await grantsFor(target, policy, resolver);
    const rules = [...new Set(grants.map(({ rule }) => rule))].join(', ');
    return {
      rule: rules,
      reason: `${target.text} is ${grants.map(({ address }) => formatIpAddress(address)).join(', ')}, allowed by ${rules}`,
    };
  }
  if (isForwardTarget(url)) {
    const { name } = judgeForward(store, method, url);
    return { rule: `upstreams.${name}`, reason: `the methods and paths of upstream ${name} allow it` };
  }
  const { route } = router.match(method, url);
  if (route.grant === undefined) return { rule: null, reason: `${route.method} ${route.path} needs no grant` };
  services.authorization.require(route.grant, knownTarget());
  return { rule: 'grants', reason: `${route.grant} is granted; whether it is on a room, ask with "${route.grant} ROOM"` };
}
