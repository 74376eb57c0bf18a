// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, describeError, type Clock } from '@bureau/core';
import { ensureInstanceDirectories, ensurePrincipalDirectories } from '@bureau/instance';
import { serve, type Handlers, type IpcServer } from '@bureau/ipc';
import type { Logger } from '@bureau/log';
import { listenUnix } from '@bureau/native';
import { WarmPool, groupsByUid, type Cgroup, type CgroupTree } from '@bureau/process';
import { standContract } from '@bureau/protocol';
import { MANAGER_GROUP, endEverything } from './end-everything.ts';
import { STOP_GRACE_MILLISECONDS } from './limits.ts';
import { removeRunDirectory } from './run-directory.ts';
import type { ServiceDefinition } from './service-definition.ts';
import { daemonService, homeserverService, launcherService, proxyProgram, proxyService, type StandFacts } from './service-table.ts';
import { Service } from './service.ts';

export interface StandDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tree: CgroupTree;
  /** Called when the service manager shall leave: after `handOver` or `shutDown` was answered. */
  readonly leave: () => void;
  /** Proxies that wait at rest. */
  readonly warmProxies: number;
}

/** Prefix of the groups in which proxies live, those that wait and those that serve. */
const PROXY_PREFIX = 'proxy';

/**
 * The service manager of one instance: its own three services, proxies by number, one socket for root.
 * It reads no message but those of `standContract`, and holds no secret.
 */
export class Stand implements AsyncDisposable {
  readonly #facts: StandFacts;
  readonly #deps: StandDeps;
  readonly #services = new Map<string, Service>();
  readonly #proxies: WarmPool;
  #server: IpcServer | undefined;
  #leaving = false;

  constructor(facts: StandFacts, deps: StandDeps) {
    this.#facts = facts;
    this.#deps = deps;
    this.#proxies = new WarmPool({
      size: deps.warmProxies,
      program: proxyProgram(facts),
      tree: deps.tree,
      prefix: PROXY_PREFIX,
      clock: deps.clock,
      onFailure: (message) => deps.logger.error({ error: message }, 'a waiting proxy was lost'),
    });
    for (const definition of [homeserverService(facts), launcherService(facts), daemonService(facts)])
      this.#add(definition, deps.tree.group(definition.name));
    for (const [number, cgroup] of this.#proxiesLeft()) this.#add(proxyService(facts, number), cgroup);
  }

  /**
   * Takes over what an earlier one left, starts the rest, serves. The daemon waits for a provisioned machine. A service that does not
   * start is reported and tried again. Throws what its directories and its socket throw; nothing was started then.
   */
  async start(): Promise<void> {
    ensureInstanceDirectories(this.#facts.paths, this.#facts.uids);
    const fd = listenUnix(this.#facts.paths.standSocket, { mode: 0o600 });
    const { clock, logger } = this.#deps;
    this.#server = await serve({
      fd,
      contract: standContract,
      handlers: this.#handlers(),
      role: 'stand',
      build: this.#facts.build,
      allowUids: [0],
      clock,
      logger,
    });
    // Side by side: proxies of an older build are replaced one after the other, and nobody's start waits for that.
    await Promise.all([this.#startProxies(), this.#startOwn()]);
    await this.#proxies
      .clear(this.#servingProxies())
      .catch((error: unknown) => logger.error({ error: describeError(error) }, 'old proxies were not ended'));
    await this.#proxies.fill();
  }

  /** Ends everything of the stand: daemon and launcher first, so that nobody starts anew what is being ended. May be called again after a failure. */
  async shutDown(graceMilliseconds: number): Promise<void> {
    this.#leaving = true;
    await this.#releaseAll();
    await endEverything(this.#deps.tree, graceMilliseconds, this.#deps.clock, MANAGER_GROUP);
    removeRunDirectory(this.#facts.paths.runDir);
  }

  /** Process ids that this service manager started, is starting, or took over. */
  children(): number[] {
    const waiting = this.#proxies.waiting.map(({ pid }) => pid);
    return [...waiting, ...[...this.#services.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]))];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#releaseAll();
    await this.#server?.close();
  }

  #handlers(): Handlers<typeof standContract> {
    return {
      listenProxy: async ({ number }) => {
        await this.#proxy(number).listen();
        return {};
      },
      startProxy: async ({ number }) => {
        const service = this.#proxy(number);
        await service.start();
        return { pid: service.pid ?? 0 };
      },
      stopProxy: async ({ number }) => {
        const name = `proxy-${number}`;
        const service = this.#services.get(name);
        await service?.stop(STOP_GRACE_MILLISECONDS);
        // Asked for again meanwhile: then it stays known.
        if (service?.wanted === true) return {};
        if (this.#services.get(name) === service) this.#services.delete(name);
        return {};
      },
      status: () => ({ build: this.#facts.build, services: [...this.#services.values()].map((service) => service.status) }),
      start: async ({ service }) => {
        this.#refuseWhenLeaving();
        await this.#own(service).start();
        return {};
      },
      handOver: async () => {
        await this.#handOver();
        setImmediate(this.#deps.leave);
        return {};
      },
      shutDown: async ({ graceMilliseconds }) => {
        await this.shutDown(graceMilliseconds);
        setImmediate(this.#deps.leave);
        return {};
      },
    };
  }

  /** Stops what is not to outlive us. One that cannot be stopped is reported: the next service manager finds it by its cgroup. */
  async #handOver(): Promise<void> {
    this.#leaving = true;
    await this.#proxies.close();
    const all = [...this.#services.values()];
    await Promise.all(all.filter(({ definition }) => definition.outlivesHandOver).map((service) => service.release()));
    for (const service of all.toReversed()) {
      if (service.definition.outlivesHandOver) continue;
      await service.stop(STOP_GRACE_MILLISECONDS).catch((error: unknown) => {
        this.#deps.logger.error({ service: service.definition.name, error: describeError(error) }, 'did not stop');
      });
    }
  }

  async #releaseAll(): Promise<void> {
    await Promise.all([...[...this.#services.values()].map((service) => service.release()), this.#proxies.close()]);
  }

  async #startProxies(): Promise<void> {
    for (const [name, service] of this.#services) if (name.startsWith('proxy-')) await this.#attempt(service);
  }

  async #startOwn(): Promise<void> {
    if (this.#facts.hasHomeserver) await this.#attempt(this.#own('homeserver'));
    await this.#attempt(this.#own('launcher'));
    if (existsSync(this.#facts.paths.machineFile)) await this.#attempt(this.#own('daemon'));
  }

  /** A service that does not start is reported and tried again; the others start all the same. */
  async #attempt(service: Service): Promise<void> {
    if (this.#leaving) return;
    try {
      await service.start();
    } catch (error) {
      this.#deps.logger.error({ service: service.definition.name, error: describeError(error) }, 'did not start');
    }
  }

  #proxy(number: number): Service {
    this.#refuseWhenLeaving();
    ensurePrincipalDirectories(this.#facts.paths, number, this.#facts.uids);
    return this.#services.get(`proxy-${number}`) ?? this.#add(proxyService(this.#facts, number));
  }

  #refuseWhenLeaving(): void {
    if (this.#leaving) throw new BureauError('leaving', 'Cannot start anything: this service manager is being replaced or stopped');
  }

  #own(name: 'homeserver' | 'launcher' | 'daemon'): Service {
    const service = this.#services.get(name);
    if (service === undefined) throw new Error(`The service table lacks ${name}`);
    return service;
  }

  /** `cgroup`: see `ServiceDeps`. */
  #add(definition: ServiceDefinition, cgroup?: Cgroup): Service {
    const service = new Service(definition, {
      clock: this.#deps.clock,
      logger: this.#deps.logger,
      cgroup,
      logFile: `${this.#facts.paths.logDir}/${definition.name}.log`,
      pool: this.#proxies,
    });
    this.#services.set(definition.name, service);
    return service;
  }

  /** The proxies that run although this service manager has not started them, by their number: each is in the group that it waited in. */
  #proxiesLeft(): Map<number, Cgroup> {
    const left = new Map<number, Cgroup>();
    for (const [uid, [group]] of groupsByUid(this.#deps.tree, PROXY_PREFIX)) {
      const number = this.#facts.uids.numberOfProxy(uid);
      if (number !== undefined && group !== undefined) left.set(number, group);
    }
    return left;
  }

  /** Paths of the groups of proxies that serve, ours and those that were there. */
  #servingProxies(): Set<string> {
    return new Set([...this.#services.values()].flatMap(({ cgroup }) => cgroup?.path ?? []));
  }
}
