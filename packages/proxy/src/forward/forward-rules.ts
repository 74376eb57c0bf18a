// SPDX-License-Identifier: Apache-2.0
import { Problem } from '../problem.ts';
import type { EgressGrant, EgressPolicy, EgressRefusal } from './egress-policy.ts';
import { parseAuthority, type Authority, type Host } from './host-name.ts';
import type { Resolver } from './resolver.ts';

/** A host with the port that will be dialled. */
export interface Target {
  readonly host: Host;
  readonly port: number;
  /** `host:port`, for logs and problems. */
  readonly text: string;
}

/** A target in its one spelling. */
export function targetOf(authority: Authority, usualPort: number): Target {
  const port = authority.port ?? usualPort;
  return { host: authority.host, port, text: `${authority.host.text}:${port}` };
}

/** The target of an upstream's URL, as far as it has one. */
export function targetOfUrl(url: string): Target | undefined {
  const parsed = URL.parse(url);
  const authority = parsed === null ? undefined : parseAuthority(parsed.host);
  return authority === undefined ? undefined : targetOf(authority, parsed?.protocol === 'http:' ? 80 : 443);
}

/**
 * The addresses of `target` that may be dialled, each with its rule. Throws a `Problem` 403 that names the rule and what would allow
 * the call; a refused name is never looked up.
 */
export async function grantsFor(target: Target, policy: EgressPolicy, resolver: Resolver): Promise<readonly EgressGrant[]> {
  const refused = policy.refusesTarget(target.host, target.port);
  if (refused !== undefined) throw refusal(target, refused);
  const judged = policy.judge(target.host, target.port, await resolver.addressesOf(target.host), resolver.own());
  if ('code' in judged) throw refusal(target, judged);
  return judged;
}

function refusal(target: Target, refused: EgressRefusal): Problem {
  return new Problem(
    403,
    refused.code,
    `${target.text} may not be reached: ${refused.reason}. An operator can allow it by sealing a bundle whose egress list has ${refused.wouldAllow}.`,
    { extensions: { rule: refused.rule, target: target.text, would_allow: refused.wouldAllow } },
  );
}
