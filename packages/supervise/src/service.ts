// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, type Clock, type Timer } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { endGroup, type Cgroup, type Child, type WarmPool } from '@bureau/process';
import type { ServiceStatus } from '@bureau/protocol';
import { adoptFrom, type Adopted } from './adopted.ts';
import { LAST_EXIT_CHARACTERS, STOP_GRACE_MILLISECONDS } from './limits.ts';
import { nextRestartPause } from './restart-pause.ts';
import type { ServiceDefinition } from './service-definition.ts';
import { bindListeners, startService, type BoundListeners, type Taken } from './service-start.ts';

/** What a service needs from outside. */
export interface ServiceDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where it lives, or what is found there is adopted from. For one that comes from a pool: where one was found, if any. */
  readonly cgroup: Cgroup | undefined;
  readonly logFile: string;
  /** See `ServiceStart.pool`. */
  readonly pool?: WarmPool;
}

interface PendingStart {
  readonly done: Promise<void>;
  readonly cancel: AbortController;
}

/**
 * One process of the stand: started once, kept running, stopped whole. Finds and takes over one that an earlier service manager
 * left, by its cgroup and its command line; replaces it when it is of another build. Starts and stops happen one after the other,
 * in the order in which they were asked for; a stop cancels the start before it.
 */
export class Service {
  readonly definition: ServiceDefinition;
  readonly #deps: ServiceDeps;
  #running: Child | Taken | Adopted | undefined;
  /** Bound ahead of its start. */
  #listeners: BoundListeners | undefined;
  /** Of what runs, ran last or may be found; one that comes from a pool has another each time. */
  #cgroup: Cgroup | undefined;
  #startingPid: number | undefined;
  #state: ServiceStatus['state'] = 'stopped';
  #restarts = 0;
  #since: number;
  #startedMonotonic = 0;
  #lastExit: string | undefined;
  #pause = 0;
  #timer: Timer | undefined;
  /** The last of the starts and stops that were asked for. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The start that is under way or waits for its turn; later ones share it. */
  #starting: PendingStart | undefined;
  #wanted = false;
  /** It ended by itself and is not started again by us; who asks for it next starts it again. */
  #lost = false;
  #released = false;
  /** Only what was there before us may be taken over; what a child of ours left behind is ended. */
  #mayAdopt = true;

  constructor(definition: ServiceDefinition, deps: ServiceDeps) {
    this.definition = definition;
    this.#deps = deps;
    this.#cgroup = deps.cgroup;
    this.#since = deps.clock.now();
  }

  /** For `bureau machine status`. */
  get status(): ServiceStatus {
    return {
      name: this.definition.name,
      state: this.#state,
      pid: this.#running?.pid ?? null,
      uid: this.definition.uid,
      restarts: this.#restarts,
      since: this.#since,
      ...(this.#lastExit === undefined ? {} : { lastExit: this.#lastExit }),
    };
  }

  /** Process id of the one that runs, or is being started and not ready yet. */
  get pid(): number | undefined {
    return this.#running?.pid ?? this.#startingPid;
  }

  /** Where it lives, or lived last. */
  get cgroup(): Cgroup | undefined {
    return this.#cgroup;
  }

  /** True from `start` to `stop` or `release`, whatever happens to the process between. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /**
   * Starts it unless it runs; calls at the same time share one start. Throws `child_failed`, `port_taken` (one that restarts is then
   * tried again by itself), `start_cancelled` after a `stop` or `release`.
   */
  async start(): Promise<void> {
    if (this.#released) throw this.#cancelled();
    this.#wanted = true;
    this.#timer?.clear();
    if (this.#lost) this.#restarts += 1;
    this.#lost = false;
    this.#starting ??= this.#beginStart();
    await this.#starting.done;
  }

  /**
   * Binds the sockets of one that comes from a pool and does not run: who connects from now on waits for it. It is wanted from here on. Throws
   * what `listenUnix` throws.
   */
  async listen(): Promise<void> {
    if (this.#released) throw this.#cancelled();
    this.#wanted = true;
    await this.#inTurn(async () => {
      // One that was found and lives has sockets of its own; the start that follows takes it over or replaces it.
      const lives = this.#running !== undefined || this.#cgroup?.populated() === true;
      if (!lives && this.#wanted) this.#listeners ??= bindListeners(this.definition);
    });
  }

  /** TERM, grace, KILL of everything in its cgroup; resolves when nothing is left. Idempotent. Throws `child_unkillable`, `group_unkillable`. */
  async stop(graceMilliseconds: number): Promise<void> {
    this.#withdraw();
    await this.#inTurn(() => this.#end(graceMilliseconds));
  }

  /**
   * Lets go of it without stopping what runs: the next service manager will find it. A start that is not finished is cancelled;
   * resolves when nothing of that is left and nothing more will be started. Idempotent; never rejects.
   */
  async release(): Promise<void> {
    this.#released = true;
    this.#withdraw();
    await this.#turn;
  }

  #withdraw(): void {
    this.#listeners?.[Symbol.dispose]();
    this.#listeners = undefined;
    this.#wanted = false;
    this.#lost = false;
    this.#timer?.clear();
    this.#starting?.cancel.abort(this.#cancelled());
    // The next start is another one, after what is under way.
    this.#starting = undefined;
  }

  #beginStart(): PendingStart {
    const cancel = new AbortController();
    const done = this.#inTurn(() => this.#bringUp(cancel.signal)).finally(() => {
      if (this.#starting?.cancel === cancel) this.#starting = undefined;
    });
    return { done, cancel };
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const mine = this.#turn.then(task);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #bringUp(signal: AbortSignal): Promise<void> {
    if (this.#running !== undefined) return;
    signal.throwIfAborted();
    const { logger } = this.#deps;
    this.#change('starting');
    try {
      const left = await this.#takeOver();
      this.#follow(left ?? (await this.#startNew(signal)));
      logger.info({ service: this.definition.name, pid: this.pid }, left === undefined ? 'running' : 'taken over');
    } catch (error) {
      if (signal.aborted) {
        this.#change('stopped');
        throw this.#cancelled(error);
      }
      this.#lastExit = describeError(error).slice(0, LAST_EXIT_CHARACTERS);
      this.#change('failed');
      this.#startLater(0);
      throw error;
    } finally {
      this.#startingPid = undefined;
    }
  }

  async #startNew(signal: AbortSignal): Promise<Child | Taken> {
    using listeners = this.#listeners ?? bindListeners(this.definition);
    this.#listeners = undefined;
    const own = { sockets: listeners.sockets, cgroup: this.#cgroup, pool: this.#deps.pool };
    return await startService(this.definition, { ...this.#deps, ...own, signal, onSpawn: (pid) => (this.#startingPid = pid) });
  }

  /** What an earlier service manager left of the same build; anything else in the cgroup is ended. */
  async #takeOver(): Promise<Adopted | undefined> {
    const { clock, logger } = this.#deps;
    const cgroup = this.#cgroup;
    if (cgroup === undefined) return undefined;
    if (!this.#isPooled) cgroup.create();
    const left = adoptFrom(cgroup, clock);
    if (left === undefined) {
      this.#leaveGroup();
      return undefined;
    }
    if (this.#mayAdopt && left.commandLine.includes(this.definition.mark)) return left;
    logger.info(
      { service: this.definition.name, pid: left.pid },
      this.#mayAdopt ? 'replacing one of another build' : 'ending what the last one left',
    );
    await endGroup(cgroup, this.#mayAdopt ? STOP_GRACE_MILLISECONDS : 0, clock);
    this.#leaveGroup();
    return undefined;
  }

  async #end(graceMilliseconds: number): Promise<void> {
    const running = this.#running;
    if (running !== undefined && 'process' in running) await running.stop(graceMilliseconds);
    else if (this.#cgroup !== undefined) await endGroup(this.#cgroup, graceMilliseconds, this.#deps.clock);
    await running?.exited;
    this.#leaveGroup();
    this.#change('stopped');
  }

  /** The group of one that came from a pool ends with it; the others keep theirs for the next. */
  #leaveGroup(): void {
    if (!this.#isPooled) return;
    this.#cgroup?.remove();
    this.#cgroup = undefined;
  }

  get #isPooled(): boolean {
    return this.definition.ready.by === 'order';
  }

  #follow(running: Child | Taken | Adopted): void {
    this.#running = running;
    if ('cgroup' in running) this.#cgroup = running.cgroup;
    this.#mayAdopt = false;
    this.#startedMonotonic = this.#deps.clock.monotonic();
    this.#change('running');
    void running.exited.then(({ code, signal }) => this.#ended(signal ?? (code === null ? 'ended' : `exit code ${code}`)));
  }

  #ended(how: string): void {
    this.#running = undefined;
    this.#lastExit = how;
    if (!this.#wanted) return this.#change('stopped');
    const again = this.definition.restarts;
    this.#deps.logger.warn({ service: this.definition.name, how }, again ? 'ended by itself; starting it again' : 'ended by itself');
    this.#change(again ? 'restarting' : 'stopped');
    this.#lost = !again;
    if (again) this.#startLater(this.#deps.clock.monotonic() - this.#startedMonotonic);
  }

  #startLater(ranMilliseconds: number): void {
    if (!this.#wanted || !this.definition.restarts) return;
    this.#pause = nextRestartPause(this.#pause, ranMilliseconds);
    this.#timer?.clear();
    this.#timer = this.#deps.clock.setTimer(this.#pause, () => {
      this.#restarts += 1;
      this.start().catch((error: unknown) => {
        this.#deps.logger.error({ service: this.definition.name, error: describeError(error) }, 'did not start');
      });
    });
  }

  #cancelled(cause?: unknown): BureauError {
    return new BureauError('start_cancelled', `Did not start ${this.definition.name}: it was asked to stop meanwhile`, { cause });
  }

  #change(state: ServiceStatus['state']): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#since = this.#deps.clock.now();
  }
}
