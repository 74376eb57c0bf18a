// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, hasCode, type Clock, type PrincipalName, type Timer } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { PlannedAction, PrincipalStatus, SandboxInfo } from '@bureau/protocol';
import { countQuickExits } from './back-off.ts';
import { readDesired, type Desired, type Facts } from './desired.ts';
import { execute } from './executor.ts';
import type { LauncherLink } from './launcher-link.ts';
import { ACTION_RETRY_MILLISECONDS, MESSAGE_MAX, REASON_MAX } from './limits.ts';
import { MemoryKeeper } from './memory-keeper.ts';
import type { MemoryStore } from './memory.ts';
import { plainText } from './plain-text.ts';
import { actionKey, plan, type Action, type Plan } from './plan.ts';
import type { Runs } from './runs.ts';
import { TemplateCache } from './template-cache.ts';

export interface ReconcilerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly launcher: LauncherLink;
  readonly runs: Runs;
  readonly memory: MemoryStore;
  /** Runs a task after what is under way, as `setImmediate` does. */
  readonly nextTurn: (task: () => void) => void;
  /** The rooms as they are; `undefined` before anything is known of them, when nothing may be done. */
  readonly facts: () => Facts | undefined;
  /** Resolves when `facts` says what the rooms say now; throws while that cannot be known. Asked before state ends what runs. */
  readonly confirm: () => Promise<void>;
  /** After each round: what is to be said of each principal. */
  readonly onStatuses: (statuses: readonly PrincipalStatus[]) => void;
}

/** Keeps doing what `plan` says: on each change a fresh plan, one action at a time for each principal, any number side by side. */
export class Reconciler {
  readonly #deps: ReconcilerDeps;
  readonly #memory: MemoryKeeper;
  readonly #templates = new TemplateCache();
  readonly #busy = new Set<PrincipalName>();
  #timer: Timer | undefined;
  #scheduled = false;
  /** The disk did not take the memory; told once. */
  #forgetful = false;
  #statuses: readonly PrincipalStatus[] = [];

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    this.#memory = new MemoryKeeper(deps.memory);
  }

  /** What was said last of each principal. */
  get statuses(): readonly PrincipalStatus[] {
    return this.#statuses;
  }

  /** What is wanted, as the rooms say it now. */
  desired(): readonly Desired[] {
    const facts = this.#deps.facts();
    return facts === undefined ? [] : readDesired(facts, this.#templates.library(facts.templates));
  }

  /** What would be done now, for `bureau machine plan`. */
  preview(): PlannedAction[] {
    const now = this.#plan();
    return (now?.actions ?? []).map((planned) => ({
      action: planned.action,
      principal: planned.principal,
      reason: plainText(planned.reason, REASON_MAX),
      ...(planned.event === undefined ? {} : { event: planned.event }),
      ...(planned.action === 'wait' ? { until: planned.until } : {}),
    }));
  }

  /** Something has changed; many changes in one turn are one round. */
  poke(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#deps.nextTurn(() => {
      this.#scheduled = false;
      this.#guardedRound();
    });
  }

  #plan(): Plan | undefined {
    const facts = this.#deps.facts();
    const observed = this.#deps.launcher.observed;
    if (facts === undefined || observed === undefined) return undefined;
    const desired = readDesired(facts, this.#templates.library(facts.templates));
    this.#forgetOthers(desired, observed);
    return plan({ desired, observed, runs: this.#deps.runs.ids(), memory: this.#memory.all, now: this.#deps.clock.now() });
  }

  /** Whatever a room or the launcher says, the reconciler goes on: a round that throws is told and tried again. */
  #guardedRound(): void {
    try {
      this.#round();
    } catch (error) {
      this.#deps.logger.error({ error: describeError(error) }, 'a round failed; trying again');
      this.#timer?.clear();
      this.#timer = this.#deps.clock.setTimer(ACTION_RETRY_MILLISECONDS, () => this.poke());
    }
  }

  #round(): void {
    this.#noteExits();
    const now = this.#plan();
    if (now === undefined) return;
    this.#statuses = now.statuses;
    this.#deps.onStatuses(now.statuses);
    this.#timer?.clear();
    const waits = now.actions.flatMap((action) => (action.action === 'wait' ? [action.until] : []));
    if (!this.#keep()) waits.push(this.#deps.clock.now() + ACTION_RETRY_MILLISECONDS);
    if (waits.length > 0)
      this.#timer = this.#deps.clock.setTimer(Math.max(0, Math.min(...waits) - this.#deps.clock.now()), () => this.poke());
    for (const action of now.actions) if (action.action !== 'wait' && action.action !== 'block') void this.#act(action);
  }

  /** Puts on disk what is remembered, before anything is done that follows from it; a machine whose disk is full goes on without. */
  #keep(): boolean {
    try {
      this.#memory.flush();
      this.#forgetful = false;
      return true;
    } catch (error) {
      if (!this.#forgetful)
        this.#deps.logger.error({ error: describeError(error) }, 'what is remembered of principals was not kept; trying again');
      this.#forgetful = true;
      return false;
    }
  }

  async #act(action: Action): Promise<void> {
    const { principal } = action;
    if (this.#busy.has(principal)) return;
    this.#busy.add(principal);
    this.#deps.logger.info({ action: action.action, principal, reason: action.reason }, 'acting');
    try {
      if (!(await this.#isCertain(action))) return;
      const { fed, authorized, told } = await execute(action, this.#deps.launcher);
      const { failure: _gone, ...memory } = this.#memory.of(principal);
      this.#memory.set(principal, {
        ...memory,
        ...(fed === undefined ? {} : { fed }),
        ...(authorized === undefined ? {} : { authorized }),
        ...(told === undefined ? {} : { told }),
      });
    } catch (error) {
      this.#deps.logger.warn({ action: action.action, principal, error: describeError(error) }, 'did not succeed');
      this.#noteFailure(action, error);
    } finally {
      this.#busy.delete(principal);
      this.poke();
    }
  }

  /** Whether an action is still the right one after what it follows from was confirmed. An old state event must not end what runs. */
  async #isCertain(action: Action): Promise<boolean> {
    if (action.action !== 'destroy' || action.decidedBy === 'machine') return true;
    await this.#deps.confirm();
    const now = this.#plan()?.actions.find(({ principal }) => principal === action.principal);
    return now !== undefined && actionKey(now) === actionKey(action);
  }

  #noteFailure(action: Action, error: unknown): void {
    // A launcher that went away has not judged anything; what it would say is asked again as soon as it is back.
    if (hasCode(error, 'connection_lost') || hasCode(error, 'launcher_away')) return;
    const memory = this.#memory.of(action.principal);
    if (action.action === 'rotate' && error instanceof BureauError && error.code.startsWith('bundle_')) {
      // Refused credentials stay refused until there are newer ones; the live proxy keeps the last good ones.
      this.#memory.set(action.principal, { ...memory, fed: action.bundleEvent });
      return;
    }
    const retryAt = this.#deps.clock.now() + ACTION_RETRY_MILLISECONDS;
    const message = plainText(describeError(error), MESSAGE_MAX);
    this.#memory.set(action.principal, { ...memory, failure: { key: actionKey(action), message, retryAt } });
  }

  /** What is neither wanted nor there is not remembered either. */
  #forgetOthers(desired: readonly Desired[], observed: readonly SandboxInfo[]): void {
    this.#memory.retain(
      new Set<PrincipalName>([...desired.map(({ principal }) => principal), ...observed.map(({ principal }) => principal), ...this.#busy]),
    );
  }

  /** Remembers when each end was first seen, which the back-off counts from. */
  #noteExits(): void {
    const now = this.#deps.clock.now();
    for (const { principal, id, state, startedAt } of this.#deps.launcher.observed ?? []) {
      const memory = this.#memory.of(principal);
      if (state !== 'exited' || memory.exit?.id === id) continue;
      const quickExits = countQuickExits(memory.exit?.quickExits ?? 0, now - startedAt);
      this.#memory.set(principal, { ...memory, exit: { id, at: now, quickExits } });
    }
  }
}
