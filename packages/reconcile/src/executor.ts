// SPDX-License-Identifier: Apache-2.0
import { hasCode } from '@bureau/core';
import type { LauncherLink } from './launcher-link.ts';
import { CREATE_MILLISECONDS, STOP_GRACE_MILLISECONDS } from './limits.ts';
import { authorizationKey, payloadKey, type Action } from './plan.ts';

/** What came of an action, for the reconciler's memory. */
export interface Outcome {
  /** The credentials event that the launcher has now. */
  readonly fed?: string;
  /** The grants and denials that it has now, as `authorizationKey` names them. */
  readonly authorized?: string;
  /** What the payload was told, as `payloadKey` names it. */
  readonly told?: string;
}

/** Carries out one action through the launcher. Throws what the launcher answered. */
export async function execute(action: Action, launcher: LauncherLink): Promise<Outcome> {
  switch (action.action) {
    case 'create': {
      const { principal, id, spec, holdForObserver, authorization, bundle } = action;
      const input = { principal, id, spec, holdForObserver, authorization, ...(bundle === undefined ? {} : { bundle }) };
      launcher.note(await launcher.client.call('create', input, { deadlineMilliseconds: CREATE_MILLISECONDS }));
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
    case 'wait':
    case 'block':
      return {};
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
