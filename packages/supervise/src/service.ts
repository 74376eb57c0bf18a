// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { BureauError, describeError, type Clock, type Timer } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { listenUnix } from '@bureau/native';
import { startChild, type Cgroup, type Child } from '@bureau/process';
import type { ServiceStatus } from '@bureau/protocol';
import { adoptFrom, stopAdopted, type Adopted } from './adopted.ts';
import { READY_MILLISECONDS } from './limits.ts';
import { isPortOpen, portOpen } from './port-open.ts';
import { nextRestartPause } from './restart-pause.ts';
import type { ServiceDefinition } from './service-definition.ts';
import { openServiceLog } from './service-log.ts';

/** What a service needs from outside. */
export interface ServiceDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cgroup: Cgroup;
  readonly logFile: string;
}

/** Sockets are open to connect; who may is decided by the directory's group and by SO_PEERCRED on each accept. */
const SOCKET_MODE = 0o666;

/**
 * One process of the stand: started once, kept running, stopped whole. Finds and takes over one that an earlier service manager
 * left, by its cgroup and its command line; replaces it when it is of another build.
 */
export class Service {
  readonly definition: ServiceDefinition;
  readonly #deps: ServiceDeps;
  #running: Child | Adopted | undefined;
  #state: ServiceStatus['state'] = 'stopped';
  #restarts = 0;
  #since: number;
  #startedMonotonic = 0;
  #lastExit: string | undefined;
  #pause = 0;
  #pending: Promise<void> | undefined;
  #timer: Timer | undefined;
  #wanted = false;

  constructor(definition: ServiceDefinition, deps: ServiceDeps) {
    this.definition = definition;
    this.#deps = deps;
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

  /** The process id of the running one. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** Starts it unless it runs; one start at a time. Throws `child_failed`, `port_taken`; a service that restarts is then tried again. */
  async start(): Promise<void> {
    this.#wanted = true;
    if (this.#state === 'running') return;
    this.#timer?.clear();
    this.#pending ??= this.#startOnce()
      .catch((error: unknown) => {
        this.#startLater(0);
        throw error;
      })
      .finally(() => {
        this.#pending = undefined;
      });
    await this.#pending;
  }

  /** TERM, grace, KILL of everything in its cgroup; resolves when nothing is left. Idempotent. */
  async stop(graceMilliseconds: number): Promise<void> {
    this.#wanted = false;
    this.#timer?.clear();
    await this.#pending?.catch(() => undefined);
    const running = this.#running;
    if (running !== undefined) {
      if ('process' in running) await running.stop(graceMilliseconds);
      else await stopAdopted(running, this.#deps.cgroup, graceMilliseconds, this.#deps.clock);
      await running.exited;
    }
    this.#change('stopped');
  }

  /** Lets go of it without stopping it: the next service manager will find it. */
  release(): void {
    this.#wanted = false;
    this.#timer?.clear();
  }

  async #startOnce(): Promise<void> {
    const { cgroup, clock, logger } = this.#deps;
    cgroup.create();
    const left = adoptFrom(cgroup);
    if (left !== undefined) {
      if (left.commandLine.includes(this.definition.mark)) {
        logger.info({ service: this.definition.name, pid: left.pid }, 'taken over');
        return this.#follow(left);
      }
      logger.info({ service: this.definition.name, pid: left.pid }, 'replacing one of another build');
      await stopAdopted(left, cgroup, READY_MILLISECONDS, clock);
    }
    this.#change('starting');
    try {
      this.#follow(await this.#spawn());
      logger.info({ service: this.definition.name, pid: this.pid }, 'running');
    } catch (error) {
      this.#lastExit = describeError(error).slice(0, 200);
      this.#change('failed');
      throw error;
    }
  }

  async #spawn(): Promise<Child> {
    const { definition } = this;
    const { clock, cgroup, logFile } = this.#deps;
    if (definition.ready.by === 'port' && (await isPortOpen(definition.ready.port))) {
      const port = definition.ready.port;
      throw new BureauError(
        'port_taken',
        `Cannot start ${definition.name}: something else listens on 127.0.0.1:${port}; stop it, or choose another port in the instance's settings`,
        { data: { port } },
      );
    }
    const own: number[] = [openServiceLog(logFile)];
    try {
      const log = own[0] ?? 2;
      for (const listener of definition.listeners) own.push(listenUnix(listener.path, { mode: SOCKET_MODE }));
      const piped = definition.ready.by === 'pipe';
      const child = await startChild({
        command: definition.command,
        args: definition.args,
        env: { ...definition.env },
        cwd: '/',
        stdio: ['ignore', log, log, ...own.slice(1), ...(piped ? (['pipe'] as const) : [])],
        detached: true,
        ...(piped ? { readyFd: 2 + own.length } : {}),
        readyMilliseconds: READY_MILLISECONDS,
        clock,
        cgroup,
        logFile,
      });
      if (definition.ready.by === 'port') await this.#portReady(child, definition.ready.port);
      return child;
    } finally {
      for (const descriptor of own) closeSync(descriptor);
    }
  }

  async #portReady(child: Child, port: number): Promise<void> {
    const giveUp = new AbortController();
    const deadline = this.#deps.clock.setTimer(READY_MILLISECONDS, () =>
      giveUp.abort(new Error(`did not listen on port ${port} within ${READY_MILLISECONDS} ms`)),
    );
    const early = child.exited.then(({ code, signal }) => {
      const error = new BureauError(
        'child_failed',
        `Expected ${this.definition.name} to listen on port ${port}, but it ended (${signal ?? `exit code ${code}`}); see ${this.#deps.logFile}`,
      );
      giveUp.abort(error);
      throw error;
    });
    try {
      await Promise.race([portOpen(port, this.#deps.clock, giveUp.signal), early]);
    } catch (error) {
      await child.stop(0);
      throw error;
    } finally {
      deadline.clear();
      giveUp.abort();
      early.catch(() => undefined);
    }
  }

  #follow(running: Child | Adopted): void {
    this.#running = running;
    this.#startedMonotonic = this.#deps.clock.monotonic();
    this.#change('running');
    void running.exited.then(({ code, signal }) => this.#ended(running, signal ?? (code === null ? 'ended' : `exit code ${code}`)));
  }

  #ended(running: Child | Adopted, how: string): void {
    if (this.#running !== running) return;
    this.#running = undefined;
    this.#lastExit = how;
    if (!this.#wanted || !this.definition.restarts) return this.#change('stopped');
    this.#restarts += 1;
    this.#deps.logger.warn({ service: this.definition.name, how }, 'ended by itself; starting it again');
    this.#change('restarting');
    this.#startLater(this.#deps.clock.monotonic() - this.#startedMonotonic);
  }

  #startLater(ranMilliseconds: number): void {
    if (!this.#wanted || !this.definition.restarts) return;
    this.#pause = nextRestartPause(this.#pause, ranMilliseconds);
    this.#timer = this.#deps.clock.setTimer(this.#pause, () => {
      this.start().catch((error: unknown) => {
        this.#deps.logger.error({ service: this.definition.name, error: describeError(error) }, 'did not start');
      });
    });
  }

  #change(state: ServiceStatus['state']): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#since = this.#deps.clock.now();
  }
}
