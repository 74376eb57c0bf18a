// SPDX-License-Identifier: Apache-2.0
import { matchGlob } from '@bureau/core';
import { DEFAULT_AUTHORIZATION, type AuthorizationList, type AuthorizationRule } from '@bureau/protocol';
import { Problem } from './problem.ts';

/** Names of one target, most telling first; `complete` is false when it may have names that are not known here. */
export interface TargetNames {
  readonly names: readonly string[];
  readonly complete: boolean;
}

/** What this proxy's principal may do: the list that the launcher handed over last, judged at each call. Denials win. */
export class AgentAuthorization {
  #list: AuthorizationList = DEFAULT_AUTHORIZATION;

  get list(): AuthorizationList {
    return this.#list;
  }

  /** Judges every call from now on by this list; calls that have been judged go on. */
  set(list: AuthorizationList): void {
    this.#list = list;
  }

  /** False when the names of a target need not be found out: nothing in the list speaks of one. */
  get namesMatter(): boolean {
    return [...this.#list.grants, ...this.#list.denials].some(({ targets }) => targets.some((target) => target !== '**'));
  }

  /** Why not, or `undefined` when it may. A denial that could fit a name that is not known holds. */
  refusal(action: string, target: TargetNames): { readonly rule: string; readonly detail: string } | undefined {
    const denied = this.#list.denials.findIndex(
      (rule) => speaksOf(rule, action) && (fits(rule, target) || (!target.complete && rule.targets.some((one) => !one.startsWith('!')))),
    );
    if (denied >= 0) return { rule: `denials[${denied}]`, detail: 'a denial forbids it, whatever else is granted' };
    const granted = this.#list.grants.some((rule) => speaksOf(rule, action) && fits(rule, target));
    return granted ? undefined : { rule: 'grants', detail: 'no grant allows it' };
  }

  /**
   * For what has many targets, each judged later: throws as `require` does when there is no target at all on which the action could be
   * granted.
   */
  requireSomewhere(action: string): void {
    const denied = this.#list.denials.findIndex((rule) => speaksOf(rule, action) && rule.targets.includes('**'));
    const granted = this.#list.grants.some((rule) => speaksOf(rule, action));
    if (denied >= 0 || !granted) this.require(action, knownTarget());
  }

  /** Throws the `Problem` 403 `not_granted`, with the rule and what would allow it. */
  require(action: string, target: TargetNames): void {
    const refusal = this.refusal(action, target);
    if (refusal === undefined) return;
    const on = target.names.length === 0 ? '' : ` on ${target.names.join(', ')}`;
    throw new Problem(
      403,
      'not_granted',
      `This principal may not do ${action}${on}: ${refusal.detail}. An operator can grant it in the principal's assignment (GET /v1/grants shows what is granted).`,
      { extensions: { action, rule: refusal.rule, ...(target.names.length === 0 ? {} : { target: target.names }) } },
    );
  }
}

/** A target that is nothing but what is meant: a user, or an action that has none. */
export function knownTarget(...names: readonly string[]): TargetNames {
  return { names, complete: true };
}

function speaksOf({ actions }: AuthorizationRule, action: string): boolean {
  return actions.some((pattern) => matchGlob(pattern, action));
}

function fits({ targets }: AuthorizationRule, { names }: TargetNames): boolean {
  return targets.some((pattern) => pattern === '**' || names.some((name) => pattern === name || fitsLocalpart(pattern, name)));
}

/** `iree/**` fits `#iree/amdgpu:server` and `@iree/pm:server`; a room ID has no localpart that says anything. */
function fitsLocalpart(pattern: string, name: string): boolean {
  const match = /^[#@]([^:]+):/.exec(name);
  return match?.[1] !== undefined && matchGlob(pattern, match[1]);
}
