// SPDX-License-Identifier: Apache-2.0
import { describeError, hasCode, type Clock, type PrincipalName, type Timer } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { HealthCheck, HealthFinding, HealthProbe, HealthState } from '@bureau/protocol';
import { HEALTH_FIRST_MILLISECONDS, HEALTH_PROBES_SIDE_BY_SIDE, MESSAGE_MAX } from './limits.ts';
import { plainText } from './plain-text.ts';

/** One sandbox that runs and whose agent is to be asked how it is. */
export interface HealthSubject {
  readonly principal: PrincipalName;
  readonly id: string;
  readonly startedAt: number;
  readonly check: HealthCheck;
}

/** What is known of one. */
export interface Health {
  /** The sandbox that it is about. */
  readonly id: string;
  readonly startedAt: number;
  readonly state: HealthState;
  /** It has answered well at least once, as far as this daemon knows. */
  readonly wasHealthy: boolean;
  /** `unhealthy`: why. `checking`: why it cannot be asked, if it cannot. */
  readonly message?: string;
}

export interface HealthMonitorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Asks an agent once. Rejects when it could not be asked, which is not the agent's fault and counts for nothing. */
  readonly probe: (subject: HealthSubject, probe: HealthProbe) => Promise<HealthFinding>;
  /** Somebody's health is another. */
  readonly onChange: () => void;
}

interface Watch {
  readonly subject: HealthSubject;
  /** By the monotonic clock: failures count from then on. */
  readonly graceEnds: number;
  health: Health;
  failures: number;
  /** It could not be asked; told once. */
  isDeaf: boolean;
  timer: Timer | undefined;
}

/**
 * Asks agents how they are, each by its own health check: one probe of an agent at a time, some agents side by side. Decides nothing: it says
 * who is unhealthy, and asks that one no more.
 */
export class HealthMonitor {
  readonly #deps: HealthMonitorDeps;
  readonly #watches = new Map<PrincipalName, Watch>();
  readonly #waiting: Watch[] = [];
  #underWay = 0;

  constructor(deps: HealthMonitorDeps) {
    this.#deps = deps;
  }

  /** What is known of each that is watched. */
  get all(): ReadonlyMap<PrincipalName, Health> {
    return new Map([...this.#watches].map(([principal, { health }]) => [principal, health]));
  }

  /** Watches these and no others. Another sandbox or another check begins anew. */
  watch(subjects: readonly HealthSubject[]): void {
    const wanted = new Map(subjects.map((subject) => [subject.principal, subject]));
    for (const [principal, { subject }] of this.#watches) {
      const now = wanted.get(principal);
      if (now !== undefined && isSame(now, subject)) wanted.delete(principal);
      else this.#drop(principal);
    }
    for (const subject of wanted.values()) this.#begin(subject);
  }

  close(): void {
    for (const principal of [...this.#watches.keys()]) this.#drop(principal);
  }

  #begin(subject: HealthSubject): void {
    const { clock } = this.#deps;
    const { check, id, principal, startedAt } = subject;
    // What an earlier daemon saw start has had some of its grace; a clock that was set back takes nothing from it.
    const lived = Math.max(0, clock.now() - startedAt);
    const watch: Watch = {
      subject,
      graceEnds: clock.monotonic() + Math.max(0, check.gracePeriodSeconds * 1_000 - lived),
      health: { id, startedAt, state: 'checking', wasHealthy: false },
      failures: 0,
      isDeaf: false,
      timer: undefined,
    };
    this.#watches.set(principal, watch);
    this.#later(watch, 0);
  }

  #drop(principal: PrincipalName): void {
    this.#watches.get(principal)?.timer?.clear();
    this.#watches.delete(principal);
  }

  #later(watch: Watch, milliseconds: number): void {
    watch.timer = this.#deps.clock.setTimer(milliseconds, () => {
      this.#waiting.push(watch);
      this.#next();
    });
  }

  #next(): void {
    while (this.#underWay < HEALTH_PROBES_SIDE_BY_SIDE) {
      const watch = this.#waiting.shift();
      if (watch === undefined) return;
      if (this.#isWatched(watch)) void this.#ask(watch);
    }
  }

  #isWatched(watch: Watch): boolean {
    return this.#watches.get(watch.subject.principal) === watch;
  }

  async #ask(watch: Watch): Promise<void> {
    const { type, endpoint, path, timeoutSeconds } = watch.subject.check;
    this.#underWay += 1;
    try {
      const finding = await this.#deps.probe(watch.subject, {
        type,
        endpoint,
        milliseconds: timeoutSeconds * 1_000,
        ...(path === undefined ? {} : { path }),
      });
      if (this.#isWatched(watch)) this.#found(watch, finding);
    } catch (error) {
      if (this.#isWatched(watch)) this.#couldNotAsk(watch, error);
    } finally {
      this.#underWay -= 1;
      if (this.#isWatched(watch) && watch.health.state !== 'unhealthy') this.#later(watch, this.#pause(watch));
      this.#next();
    }
  }

  /** Who is not well yet is asked more often, since somebody waits for that. */
  #pause({ health, subject }: Watch): number {
    const usual = subject.check.intervalSeconds * 1_000;
    return health.state === 'checking' ? Math.min(usual, HEALTH_FIRST_MILLISECONDS) : usual;
  }

  #found(watch: Watch, { healthy, reason }: HealthFinding): void {
    const { id, check, principal, startedAt } = watch.subject;
    watch.isDeaf = false;
    if (healthy) {
      watch.failures = 0;
      return this.#become(watch, { id, startedAt, state: 'healthy', wasHealthy: true });
    }
    const { clock, logger } = this.#deps;
    const { wasHealthy } = watch.health;
    if (!wasHealthy && clock.monotonic() < watch.graceEnds) return;
    watch.failures += 1;
    if (watch.failures === 1) logger.info({ principal, id, reason }, 'a health check failed');
    if (watch.failures < check.failureThreshold) return;
    const times = watch.failures === 1 ? 'a health check' : `${watch.failures} health checks in a row`;
    const message = plainText(`it failed ${times}: ${reason ?? 'no reason given'}`, MESSAGE_MAX);
    this.#become(watch, { id, startedAt, state: 'unhealthy', wasHealthy, message });
  }

  #couldNotAsk(watch: Watch, error: unknown): void {
    const { principal, id } = watch.subject;
    if (watch.isDeaf) return;
    watch.isDeaf = true;
    this.#deps.logger.warn({ principal, id, error: describeError(error) }, 'could not ask an agent how it is; trying again');
    if (!hasCode(error, 'unknown_method')) return;
    const message = 'it cannot be asked how it is: its sandbox is of an earlier Bureau; restart it';
    this.#become(watch, { ...watch.health, message });
  }

  #become(watch: Watch, health: Health): void {
    const before = watch.health;
    watch.health = health;
    if (before.state !== health.state || before.message !== health.message) this.#deps.onChange();
  }
}

function isSame(one: HealthSubject, other: HealthSubject): boolean {
  return one.id === other.id && one.startedAt === other.startedAt && JSON.stringify(one.check) === JSON.stringify(other.check);
}
