// SPDX-License-Identifier: Apache-2.0
import { describeError, type Clock, type Timer } from '@bureau/core';
import type { Cgroup } from './cgroup.ts';
import type { CgroupTree } from './cgroup-tree.ts';
import { endGroup } from './cgroup-end.ts';
import { REFILL_AFTER_FAILURE_MILLISECONDS, REFILL_LATEST_MILLISECONDS, REFILL_QUIET_MILLISECONDS } from './limits.ts';
import { PoolMember, type PoolProgram } from './pool-member.ts';

export interface WarmPoolOptions {
  /** Members that wait at rest; 0: each is started when it is wanted. */
  readonly size: number;
  readonly program: PoolProgram;
  readonly tree: CgroupTree;
  /** Members live in groups `<prefix>-<pid of this process>-<k>`, from their start to their end; nothing else may be called so. */
  readonly prefix: string;
  readonly clock: Clock;
  /** Resolves when nothing is under way that the processors are needed for more than for a refill. */
  readonly whenQuiet?: () => Promise<void>;
  /** Told of a member that ended while it waited. */
  readonly onFailure: (message: string) => void;
}

/**
 * Processes that wait to be taken, each for one use, and keep their group when they are (`groupsByUid` finds whom they serve). Refilled one by one, some time after the last was taken, so that what took it has
 * the processors to itself. An empty pool starts one when asked: slower, and the same in every other way.
 */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  /** Names of the groups that were there before this pool. */
  readonly #earlier: readonly string[];
  readonly #waiting: PoolMember[] = [];
  #next = 0;
  #filling: Promise<void> | undefined;
  #closed = false;
  #timer: Timer | undefined;
  #takenSince: number | undefined;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
    this.#earlier = groupsCalled(options);
  }

  /** Members that have been started and not taken. */
  get waiting(): readonly PoolMember[] {
    return this.#waiting;
  }

  /**
   * Ends what earlier pools of this name left, but for the groups that serve somebody, by path. Throws `group_unkillable` when something
   * survives; everything else has ended then.
   */
  async clear(serving: ReadonlySet<string>): Promise<void> {
    const { tree, clock } = this.#options;
    const failures: unknown[] = [];
    for (const name of this.#earlier) {
      const group = tree.group(name);
      if (serving.has(group.path)) continue;
      try {
        await endGroup(group, 0, clock);
        group.tryRemove();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Starts members until the pool is full; resolves then, or when it is closed or has failed to. Never rejects. */
  fill(): Promise<void> {
    this.#filling ??= this.#fillNow().finally(() => (this.#filling = undefined));
    return this.#filling;
  }

  /**
   * One warm member, the caller's from now on: one that waited, or one that is started now. Throws `child_failed`, `member_not_warm`;
   * nothing of it is left then.
   */
  async take(): Promise<PoolMember> {
    const waiting = this.#waiting.shift();
    this.#fillSoon();
    const member = waiting ?? (await this.#start(this.#options.program.hurriedArgs));
    try {
      await member.warm;
      return member;
    } catch (error) {
      await member.end().catch((failure: unknown) => this.#options.onFailure(describeError(failure)));
      throw error;
    }
  }

  /** Ends all that wait, and one that is just being started. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.clear();
    await Promise.all([...this.#waiting.splice(0).map((member) => member.end()), this.#filling]);
  }

  async #fillNow(): Promise<void> {
    try {
      while (!this.#closed && this.#waiting.length < this.#options.size) await this.#addOne();
    } catch (error) {
      // A member that was ended before it was warm is no failure of it.
      if (this.#closed) return;
      this.#options.onFailure(describeError(error));
      this.#fillAfter(REFILL_AFTER_FAILURE_MILLISECONDS);
    }
  }

  async #addOne(): Promise<void> {
    const member = await this.#start();
    if (this.#closed) return member.end();
    this.#waiting.push(member);
    void member.exited.then(() => this.#lost(member));
    await member.warm;
  }

  async #start(more: readonly string[] = []): Promise<PoolMember> {
    const { program, clock } = this.#options;
    return await PoolMember.start({ ...program, args: [...program.args, ...more] }, this.#newGroup(), clock);
  }

  /** Never one that is there: a process of this number may have left a member that serves. */
  #newGroup(): Cgroup {
    const { tree, prefix } = this.#options;
    // What was there before may yet be cleared: its names are not given out either.
    const there = new Set([...this.#earlier, ...groupsCalled(this.#options)]);
    for (;;) {
      this.#next += 1;
      const name = `${prefix}-${process.pid}-${this.#next}`;
      if (!there.has(name)) return tree.group(name);
    }
  }

  #lost(member: PoolMember): void {
    const place = this.#waiting.indexOf(member);
    if (place === -1 || this.#closed) return;
    this.#waiting.splice(place, 1);
    this.#options.onFailure(`process ${member.pid} of the pool ended while it waited`);
    member.end().catch((error: unknown) => this.#options.onFailure(describeError(error)));
    this.#fillAfter(REFILL_AFTER_FAILURE_MILLISECONDS);
  }

  #fillSoon(): void {
    const now = this.#options.clock.monotonic();
    this.#takenSince ??= now;
    this.#fillAfter(Math.min(REFILL_QUIET_MILLISECONDS, Math.max(0, this.#takenSince + REFILL_LATEST_MILLISECONDS - now)));
  }

  #fillAfter(milliseconds: number): void {
    this.#timer?.clear();
    if (this.#closed || this.#options.size === 0) return;
    this.#timer = this.#options.clock.setTimer(milliseconds, () => {
      this.#takenSince = undefined;
      void Promise.resolve(this.#options.whenQuiet?.()).then(() => this.fill());
    });
  }
}

function groupsCalled({ tree, prefix }: Pick<WarmPoolOptions, 'tree' | 'prefix'>): string[] {
  return tree.list().filter((name) => name.startsWith(`${prefix}-`));
}
