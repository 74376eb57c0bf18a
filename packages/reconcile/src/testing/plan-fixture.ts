// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { parsePrincipalName, type PrincipalName } from '@bureau/core';
import { DEFAULT_AUTHORIZATION, type ExitReport, type PrincipalStatus, type SandboxInfo } from '@bureau/protocol';
import { authorizationKey, payloadKey, type Action } from '../actions.ts';
import { readDesired, type Facts } from '../desired.ts';
import type { Memory } from '../memory.ts';
import type { PlanInput } from '../plan-input.ts';
import { plan } from '../plan.ts';

const HELLO: PrincipalName = parsePrincipalName('demo/hello');
export const NOW = 10_000_000;
export const ASSIGNMENT = { v: 1, principal: 'demo/hello', command: ['/bin/true'] };
export const OK: ExitReport = { code: 0, signal: null };
export const FAILED: ExitReport = { code: 3, signal: null };

/** Rooms with this one assignment. */
function factsOf(assignment: object, more: Partial<Facts> = {}): Facts {
  return {
    assignments: [{ stateKey: 'demo/hello', eventId: '$assignment', content: assignment }],
    credentials: [],
    templates: [{ stateKey: 'default', eventId: '$template', content: { v: 1, description: 'The default' } }],
    ...more,
  };
}

export function sandboxOf(id: string, state: SandboxInfo['state'], more: Partial<SandboxInfo> = {}): SandboxInfo {
  return { principal: HELLO, number: 0, id, state, startedAt: NOW - 10, proxyRestarts: 0, relaySocket: '/run/x', ...more };
}

/** What is planned for the one principal. */
export interface Planned {
  readonly action: Action | undefined;
  readonly status: PrincipalStatus | undefined;
  readonly told: string | undefined;
}

/** Plans for one assignment, one sandbox if any, and a memory that has told everything to what runs. */
export function planned(
  assignment: object,
  info?: SandboxInfo,
  memory: Memory = {},
  more: Partial<PlanInput> & { readonly facts?: Partial<Facts> } = {},
): Planned {
  const { facts, ...rest } = more;
  const told = info === undefined ? {} : { authorized: authorizationKey(DEFAULT_AUTHORIZATION), told: payloadKey(info.id, {}) };
  const { actions, statuses, notices } = plan({
    desired: readDesired(factsOf(assignment, facts)),
    observed: info === undefined ? [] : [info],
    runs: new Set(),
    memory: new Map([[HELLO, { ...told, ...memory }]]),
    now: NOW,
    ...rest,
  });
  assert.ok(actions.length <= 1 && statuses.length <= 1);
  return { action: actions[0], status: statuses[0], told: notices[0]?.text };
}

/** The id of the first sandbox that an assignment gets. */
export function firstId(assignment: object): string {
  const { action } = planned(assignment);
  assert.equal(action?.action, 'create');
  return action.id;
}
