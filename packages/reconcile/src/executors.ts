// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, hasCode, type Clock, type PrincipalName } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { SandboxInfo } from '@bureau/protocol';
import { actionKey, isPassive, type Action } from './actions.ts';
import { retryPause } from './back-off.ts';
import { execute, type ExecutorDeps } from './executor.ts';
import { EXECUTORS_MAX, MESSAGE_MAX } from './limits.ts';
import type { Memory } from './memory.ts';
import { plainText } from './plain-text.ts';

export interface ExecutorsDeps extends ExecutorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether an action is still the right one when what it follows from was confirmed; throws while that cannot be known. */
  readonly isCertain: (action: Action) => Promise<boolean>;
  /** One has ended, and the next plan may say something else. */
  readonly onDone: () => void;
}

/** An action that is being carried out. */
interface UnderWay {
  readonly action: Action;
  readonly cancel: AbortController;
}

/** Carries out what plans say: one action at a time for each principal, at most `EXECUTORS_MAX` side by side. */
export class Executors {
  readonly #deps: ExecutorsDeps;
  readonly #underWay = new Map<PrincipalName, UnderWay>();

  constructor(deps: ExecutorsDeps) {
    this.#deps = deps;
  }

  /** Principals that something is being done for. */
  get busy(): readonly PrincipalName[] {
    return [...this.#underWay.keys()];
  }

  /** Ids of the sandboxes that are being made. */
  get creating(): ReadonlySet<string> {
    return new Set([...this.#underWay.values()].flatMap(({ action }) => (action.action === 'create' ? [action.id] : [])));
  }

  /** Takes the newest plan: begins what is not under way, cancels the making of what nobody wants any more. */
  carryOut(actions: readonly Action[], observed: readonly SandboxInfo[]): void {
    this.#cancelUnwanted(actions, observed);
    // What ends something makes room; what starts something takes it.
    const ordered = [...actions.filter(({ action }) => action !== 'create'), ...actions.filter(({ action }) => action === 'create')];
    for (const action of ordered) {
      if (this.#underWay.size >= EXECUTORS_MAX) return;
      if (!isPassive(action) && !this.#underWay.has(action.principal)) void this.#act(action);
    }
  }

  #cancelUnwanted(actions: readonly Action[], observed: readonly SandboxInfo[]): void {
    for (const [principal, { action, cancel }] of this.#underWay) {
      if (action.action !== 'create' || cancel.signal.aborted || observed.some(({ id }) => id === action.id)) continue;
      const next = actions.find((each) => each.principal === principal);
      if (next !== undefined && (isPassive(next) || actionKey(next) === actionKey(action))) continue;
      this.#deps.logger.info({ principal, id: action.id }, 'nobody wants it any more; cancelling');
      cancel.abort(new BureauError('cancelled', 'Nobody wants it any more'));
    }
  }

  async #act(action: Action): Promise<void> {
    const { launcher, memory, logger, isCertain } = this.#deps;
    const { principal } = action;
    const cancel = new AbortController();
    this.#underWay.set(principal, { action, cancel });
    logger.info({ action: action.action, principal, reason: action.reason }, 'acting');
    try {
      if (!(await isCertain(action))) return;
      // When the answer is lost nobody knows what it has.
      memory.set(principal, untold(memory.of(principal), action));
      const outcome = await execute(action, { launcher, memory }, cancel.signal);
      const { failure: _gone, ...rest } = memory.of(principal);
      memory.set(principal, { ...rest, ...outcome });
    } catch (error) {
      if (!cancel.signal.aborted) this.#noteFailure(action, error);
    } finally {
      this.#underWay.delete(principal);
      this.#deps.onDone();
    }
  }

  #noteFailure(action: Action, error: unknown): void {
    const { clock, logger, memory } = this.#deps;
    const { principal } = action;
    logger.warn({ action: action.action, principal, error: describeError(error) }, 'did not succeed');
    // A launcher that went away has not judged anything; what it would say is asked again as soon as it is back.
    if (hasCode(error, 'connection_lost') || hasCode(error, 'launcher_away')) return;
    const { failure, ...rest } = memory.of(principal);
    if (action.action === 'rotate' && error instanceof BureauError && error.code.startsWith('bundle_')) {
      // Refused credentials stay refused until there are newer ones; the live proxy keeps the last good ones.
      memory.set(principal, { ...rest, fed: action.bundleEvent });
      return;
    }
    const key = actionKey(action);
    const times = failure?.key === key ? failure.times + 1 : 1;
    const message = plainText(describeError(error), MESSAGE_MAX);
    memory.set(principal, { ...rest, failure: { key, message, times, retryAt: clock.now() + retryPause(times) } });
  }
}

/** A memory without what an action is about to tell. */
function untold({ fed, authorized, told, ...memory }: Memory, { action }: Action): Memory {
  return {
    ...memory,
    ...(fed === undefined || action === 'rotate' || action === 'create' ? {} : { fed }),
    ...(authorized === undefined || action === 'authorize' || action === 'create' ? {} : { authorized }),
    ...(told === undefined || action === 'update' || action === 'create' ? {} : { told }),
  };
}
