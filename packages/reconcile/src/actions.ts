// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { AuthorizationList, SandboxSpec } from '@bureau/protocol';
import type { KeptMemory } from './memory.ts';

/** One step, with what its executor needs. */
export type Action = { readonly principal: PrincipalName; readonly reason: string; readonly event?: string } & (
  | CreateAction
  | { readonly action: 'authorize'; readonly authorization: AuthorizationList }
  | { readonly action: 'update'; readonly id: string; readonly files: PayloadFiles }
  | { readonly action: 'check'; readonly key: string; readonly spec: SandboxSpec; readonly bundle?: Uint8Array }
  /** `rooms`: state says so, which is to be certain before anything is ended or forgotten; `machine`: it is known here. */
  | { readonly action: 'destroy' | 'forget'; readonly id: string; readonly decidedBy: 'rooms' | 'machine' }
  | { readonly action: 'rotate'; readonly bundle: Uint8Array; readonly bundleEvent: string }
  /** Only what is on disk changes. */
  | { readonly action: 'record' | 'quarantine'; readonly keep: KeptMemory }
  | { readonly action: 'wait'; readonly until: number }
  | { readonly action: 'hold' }
  | { readonly action: 'block' }
);

/** A sandbox is to be made. */
export interface CreateAction {
  readonly action: 'create';
  readonly id: string;
  readonly spec: SandboxSpec;
  readonly bundle?: Uint8Array;
  readonly bundleEvent?: string;
  readonly authorization: AuthorizationList;
  readonly holdForObserver: boolean;
  /** To be on disk before the launcher is asked; taken back when it refuses, unless `keepAnyway`. */
  readonly keep?: KeptMemory;
  readonly keepAnyway?: boolean;
  /** The launcher would drop what it knows of a later generation: to be certain first that the assignment was turned back. */
  readonly replaces?: 'newer';
}

/** What is said in a plan and not carried out: time, people or another event end it. */
export function isPassive({ action }: Action): boolean {
  return action === 'wait' || action === 'hold' || action === 'block';
}

/** Whether an old view of the rooms could be its reason, and it could not be made good: it waits until they have confirmed it. */
export function needsConfirmation(action: Action): boolean {
  // What runs at most once is not to be begun for an assignment that was taken back since.
  if (action.action === 'create') return action.replaces === 'newer' || action.keep?.started === action.id;
  return (action.action === 'destroy' || action.action === 'forget') && action.decidedBy === 'rooms';
}

/** What an action is about: the same key twice is the same try again. */
export function actionKey(action: Action): string {
  switch (action.action) {
    case 'rotate':
      return `rotate ${action.bundleEvent}`;
    case 'authorize':
      return `authorize ${authorizationKey(action.authorization)}`;
    case 'update':
      return `update ${payloadKey(action.id, action.files)}`;
    case 'check':
      return `check ${action.key}`;
    case 'create':
    case 'destroy':
    case 'forget':
      return `${action.action} ${action.id}`;
    case 'record':
    case 'quarantine':
    case 'wait':
    case 'hold':
    case 'block':
      return action.action;
  }
}

/** Names one list of grants and denials: the same list, the same name. */
export function authorizationKey(list: AuthorizationList): string {
  return JSON.stringify(list);
}

/** What a payload is told. */
export type PayloadFiles = Pick<SandboxSpec, 'payload' | 'trigger'>;

/** Names what one sandbox is told: the same words, the same name. */
export function payloadKey(id: string, { payload, trigger }: PayloadFiles): string {
  return `${id} ${JSON.stringify([payload ?? null, trigger ?? null])}`;
}
