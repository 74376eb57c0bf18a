// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, type Clock, type PrincipalName, type Timer } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { PlannedAction, PrincipalStatus } from '@bureau/protocol';
import { actionKey, needsConfirmation, type Action } from './actions.ts';
import { countQuickExits } from './back-off.ts';
import { Departures } from './departures.ts';
import { DesiredReader, type Desired, type Facts } from './desired.ts';
import { Executors } from './executors.ts';
import { HealthMonitor, type HealthMonitorDeps } from './health-monitor.ts';
import type { LauncherLink } from './launcher-link.ts';
import { ACTION_RETRY_MILLISECONDS, REASON_MAX } from './limits.ts';
import { MemoryKeeper } from './memory-keeper.ts';
import { isAbout, type MemoryStore } from './memory.ts';
import { Notifier, type Notification } from './notifier.ts';
import { plainText } from './plain-text.ts';
import type { MachineRules } from './plan-input.ts';
import { plan, type Plan } from './plan.ts';
import { parseSandboxId } from './resolve.ts';
import type { Runs } from './runs.ts';

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
  /** Asks an agent how it is; see `HealthMonitorDeps`. */
  readonly probe: HealthMonitorDeps['probe'];
  /** What operators say of the machine itself; absent: nothing. */
  readonly machine?: () => MachineRules;
  /** After each round: what is to be said of each principal. */
  readonly onStatuses: (statuses: readonly PrincipalStatus[]) => void;
  /** Tells people something, once. */
  readonly notify: (notification: Notification) => Promise<void>;
}

/** Keeps doing what `plan` says: on each change a fresh plan, carried out by `Executors`. */
export class Reconciler {
  readonly #deps: ReconcilerDeps;
  readonly #memory: MemoryKeeper;
  readonly #executors: Executors;
  readonly #reader = new DesiredReader();
  readonly #notifier: Notifier;
  readonly #departures: Departures;
  readonly #health: HealthMonitor;
  #timer: Timer | undefined;
  #scheduled = false;
  /** The disk did not take the memory; told once. */
  #forgetful = false;
  #statuses: readonly PrincipalStatus[] = [];

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    this.#memory = new MemoryKeeper(deps.memory);
    const { clock, logger, launcher } = deps;
    this.#executors = new Executors({
      clock,
      logger,
      launcher,
      memory: this.#memory,
      isCertain: (action) => this.#isCertain(action),
      onDone: () => this.poke(),
    });
    this.#health = new HealthMonitor({ clock, logger, probe: deps.probe, onChange: () => this.poke() });
    this.#departures = new Departures({
      memory: this.#memory,
      logger,
      confirm: deps.confirm,
      desired: () => this.desired(),
      onChange: () => this.poke(),
    });
    this.#notifier = new Notifier({ clock, logger, memory: this.#memory, send: deps.notify, onTold: () => this.poke() });
  }

  /** What was said last of each principal. */
  get statuses(): readonly PrincipalStatus[] {
    return this.#statuses;
  }

  /** What is wanted, as the rooms say it now. */
  desired(): readonly Desired[] {
    const facts = this.#deps.facts();
    return facts === undefined ? [] : this.#reader.read(facts);
  }

  /**
   * Stops a principal on somebody's word, until `resume` or a new generation of its assignment; the assignment itself stays. On disk when this
   * returns the generation that it holds for. Throws `not_found` where nothing is assigned, and what the disk says.
   */
  halt(principal: PrincipalName, by: string): number {
    const { event, generation } = this.#assigned(principal);
    this.#memory.halt(principal, event, { generation, by, at: this.#deps.clock.now() });
    this.poke();
    return generation;
  }

  /** Takes a `halt` back. Throws `not_found` where nothing is assigned, `not_halted` where nobody has stopped it, and what the disk says. */
  resume(principal: PrincipalName): void {
    const { event, generation } = this.#assigned(principal);
    if (this.#memory.of(principal).kept?.halted?.generation !== generation)
      throw new BureauError('not_halted', `"${principal}" was not stopped by a command, so there is nothing to take back`, {
        data: { principal },
      });
    this.#memory.halt(principal, event, undefined);
    this.poke();
  }

  #assigned(principal: PrincipalName): { readonly event: string; readonly generation: number } {
    const { assignment, event = '' } = this.desired().find((each) => each.principal === principal) ?? {};
    if (assignment !== undefined && assignment.run === undefined) return { event, generation: assignment.generation };
    throw new BureauError('not_found', `"${principal}" is not deployed on this machine, or its assignment cannot be read`, {
      data: { principal },
    });
  }

  /** What would be done now, for `bureau machine plan`. */
  preview(): PlannedAction[] {
    const now = this.#plan();
    return (now?.actions ?? []).map(({ principal, reason, event, ...action }) => ({
      action: action.action,
      principal,
      reason: plainText(reason, REASON_MAX),
      ...(event === undefined ? {} : { event }),
      ...(action.action === 'wait' ? { until: action.until } : {}),
    }));
  }

  /** Asks nobody any more. */
  close(): void {
    this.#health.close();
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

  /** `only`: for this principal alone. */
  #plan(only?: PrincipalName): Plan | undefined {
    const facts = this.#deps.facts();
    const observed = this.#deps.launcher.observed;
    if (facts === undefined || observed === undefined) return undefined;
    const desired = this.#reader.read(facts);
    this.#departures.note(desired, [...observed.map(({ principal }) => principal), ...this.#executors.busy]);
    const machine = this.#deps.machine?.();
    const concerns = ({ principal }: { readonly principal: PrincipalName }): boolean => only === undefined || principal === only;
    return plan({
      desired: desired.filter(concerns),
      observed: observed.filter(concerns),
      runs: this.#deps.runs.ids(),
      memory: this.#memory.all,
      creating: this.#executors.creating,
      health: this.#health.all,
      ...(machine === undefined ? {} : { machine }),
      now: this.#deps.clock.now(),
    });
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
    this.#notifier.update(now.notices, now.statuses);
    this.#health.watch(now.watches);
    this.#timer?.clear();
    const waits = now.actions.flatMap((action) => (action.action === 'wait' ? [action.until] : []));
    if (!this.#keep()) waits.push(this.#deps.clock.now() + ACTION_RETRY_MILLISECONDS);
    if (waits.length > 0)
      this.#timer = this.#deps.clock.setTimer(Math.max(0, Math.min(...waits) - this.#deps.clock.now()), () => this.poke());
    this.#executors.carryOut(now.actions, this.#deps.launcher.observed ?? []);
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

  /** Whether an action is still the right one after what it follows from was confirmed. An old state event must not end what runs. */
  async #isCertain(action: Action): Promise<boolean> {
    if (!needsConfirmation(action)) return true;
    await this.#deps.confirm();
    const now = this.#plan(action.principal)?.actions[0];
    return now !== undefined && actionKey(now) === actionKey(action);
  }

  /** Remembers when each end was first seen, which the back-off counts from. */
  #noteExits(): void {
    const now = this.#deps.clock.now();
    for (const info of this.#deps.launcher.observed ?? []) {
      const { principal, id, state, startedAt } = info;
      const memory = this.#memory.of(principal);
      if (state !== 'exited') continue;
      if (memory.exit?.id === id) {
        // The clock was set back: the pause counts from now, not from a day ahead.
        if (memory.exit.at > now) this.#memory.set(principal, { ...memory, exit: { ...memory.exit, at: now } });
        continue;
      }
      // Another spec or generation is another story.
      const row = memory.exit !== undefined && parseSandboxId(memory.exit.id).key === parseSandboxId(id).key ? memory.exit.quickExits : 0;
      // One that was never well has not lived, however long it ran.
      const { unhealthy } = memory.kept ?? {};
      const wasNeverWell = unhealthy?.wasHealthy === false && isAbout(unhealthy, info);
      const quickExits = countQuickExits(row, wasNeverWell ? 0 : now - startedAt);
      this.#memory.set(principal, { ...memory, exit: { id, at: now, quickExits } });
    }
  }
}
