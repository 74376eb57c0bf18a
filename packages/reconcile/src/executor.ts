// SPDX-License-Identifier: Apache-2.0
import { BureauError, hasCode, type PrincipalName } from '@bureau/core';
import type { LauncherLink } from './launcher-link.ts';
import { CREATE_MILLISECONDS, STOP_GRACE_MILLISECONDS } from './limits.ts';
import { authorizationKey, payloadKey, type Action, type CreateAction } from './actions.ts';
import type { MemoryKeeper } from './memory-keeper.ts';

/** What came of an action, for the reconciler's memory. */
export interface Outcome {
  /** The credentials event that the launcher has now. */
  readonly fed?: string;
  /** The grants and denials that it has now, as `authorizationKey` names them. */
  readonly authorized?: string;
  /** What the payload was told, as `payloadKey` names it. */
  readonly told?: string;
  /** The spec (its key) that it finds right. */
  readonly checked?: string;
}

/** What executors work with. */
export interface ExecutorDeps {
  readonly launcher: LauncherLink;
  readonly memory: MemoryKeeper;
}

/**
 * Carries out one action. `signal`: nobody wants a create any more. Throws what the launcher answered, or the disk; `cancelled` and
 * `connection_lost` mean that nobody knows how far it came.
 */
export async function execute(action: Action, { launcher, memory }: ExecutorDeps, signal: AbortSignal): Promise<Outcome> {
  switch (action.action) {
    case 'create': {
      const { principal, id, spec, holdForObserver, authorization, bundle } = action;
      const input = { principal, id, spec, holdForObserver, authorization, ...(bundle === undefined ? {} : { bundle }) };
      const { client } = launcher;
      const options = { deadlineMilliseconds: CREATE_MILLISECONDS, signal };
      launcher.note(await afterKeeping(action, memory, () => client.call('create', input, options)));
      const outcome = { authorized: authorizationKey(authorization), told: payloadKey(id, spec) };
      return action.bundleEvent === undefined ? outcome : { ...outcome, fed: action.bundleEvent };
    }
    case 'authorize': {
      const { principal, authorization } = action;
      await launcher.client.call('authorize', { principal, authorization }, { deadlineMilliseconds: CREATE_MILLISECONDS });
      return { authorized: authorizationKey(authorization) };
    }
    case 'update': {
      const { principal, id, files } = action;
      const input = { principal, id, ...(files.payload && { payload: files.payload }), ...(files.trigger && { trigger: files.trigger }) };
      await unlessGone(launcher, action, () => launcher.client.call('updatePayload', input));
      return { told: payloadKey(id, files) };
    }
    case 'destroy': {
      const input = { principal: action.principal, id: action.id, graceMilliseconds: STOP_GRACE_MILLISECONDS };
      await unlessGone(launcher, action, () => launcher.client.call('destroy', input, { deadlineMilliseconds: CREATE_MILLISECONDS }));
      return {};
    }
    case 'forget': {
      await unlessGone(launcher, action, () => launcher.client.call('forget', { principal: action.principal, id: action.id }));
      launcher.drop(action.principal);
      return {};
    }
    case 'rotate': {
      await launcher.client.call(
        'rotate',
        { principal: action.principal, bundle: action.bundle },
        { deadlineMilliseconds: CREATE_MILLISECONDS },
      );
      return { fed: action.bundleEvent };
    }
    case 'check': {
      const { principal, key, spec, bundle } = action;
      await launcher.client.call('check', { principal, spec, ...(bundle === undefined ? {} : { bundle }) }, { signal });
      return { checked: key };
    }
    case 'record':
    case 'quarantine':
      memory.keep(action.principal, action.keep);
      return {};
    case 'wait':
    case 'hold':
    case 'block':
      return {};
  }
}

/** With what is to be on disk before the launcher is asked; a refusal takes it back, since nothing was started then. */
async function afterKeeping<Result>(
  { principal, keep, keepAnyway = false }: CreateAction & { readonly principal: PrincipalName },
  memory: MemoryKeeper,
  call: () => Promise<Result>,
): Promise<Result> {
  if (keep === undefined) return call();
  const before = memory.of(principal).kept;
  memory.keep(principal, keep);
  try {
    return await call();
  } catch (error) {
    const unknown = ['cancelled', 'connection_lost', 'deadline_exceeded'].some((code) => hasCode(error, code));
    if (!keepAnyway && error instanceof BureauError && !unknown) memory.keep(principal, before);
    throw error;
  }
}

/** What the launcher does not know any more needs no end: the picture was old. */
async function unlessGone(launcher: LauncherLink, { principal }: Action, call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error;
    launcher.drop(principal);
  }
}
