// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';
import { lookAt, type Footprint } from './footprint.ts';
import { instanceProcesses, type InstanceProcess } from './instance-processes.ts';
import { LOOK_MILLISECONDS, REST_MILLISECONDS, SETTLE_MILLISECONDS } from './limits.ts';

/** Compares what an instance holds of the machine with what it held at another moment. */
export class LeakCheck {
  readonly #paths: InstancePaths;
  readonly #uidBase: number;

  constructor(paths: InstancePaths, uidBase: number) {
    this.#paths = paths;
    this.#uidBase = uidBase;
  }

  /** What the instance holds now. */
  snapshot(): Footprint {
    return lookAt(this.#paths, this.#uidBase).footprint;
  }

  /**
   * What the instance holds at rest: when nothing of it has changed for a moment and no command of it is under way or connected. What a
   * test compares with later must not hold what was just about to end. After {@link SETTLE_MILLISECONDS} it is what there is.
   */
  async atRest(): Promise<Footprint> {
    const deadline = performance.now() + SETTLE_MILLISECONDS;
    let before = this.snapshot();
    let since = performance.now();
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
      const now = this.snapshot();
      if (difference(before, now).length > 0 || this.#isCalled(now)) since = performance.now();
      if (performance.now() - since >= REST_MILLISECONDS || performance.now() >= deadline) return now;
      before = now;
    }
  }

  /** True while a command runs, or its connection to the daemon is not closed on both sides yet. */
  #isCalled({ processes, sockets }: Footprint): boolean {
    return processes.some((line) => line.startsWith('command ')) || sockets.includes(`connected ${this.#paths.daemonSocket}`);
  }

  /** Ended processes that still have an entry; their parent has not noticed. PID 1 of some machines takes a minute. */
  zombies(): InstanceProcess[] {
    return instanceProcesses({ name: this.#paths.name, uidBase: this.#uidBase }).filter(({ zombie }) => zombie);
  }

  /**
   * Resolves when the instance holds what it held at `before`, no more and no less, and no ended process of it waits for one of
   * ours. Throws `leaked` with the difference after `milliseconds`.
   */
  async assertUnchanged(before: Footprint, milliseconds = SETTLE_MILLISECONDS): Promise<void> {
    await this.#settle(before, milliseconds);
  }

  /** Resolves when nothing of the instance is left anywhere. Throws `leaked` with what is. */
  async assertNothing(milliseconds = SETTLE_MILLISECONDS): Promise<void> {
    await this.#settle(NOTHING, milliseconds);
  }

  async #settle(wanted: Footprint, milliseconds: number): Promise<void> {
    const deadline = performance.now() + milliseconds;
    for (;;) {
      const { footprint, zombies } = lookAt(this.#paths, this.#uidBase);
      // One whose parent is pid 1 is the machine's to reap; one below a process of ours is a leak like a live one.
      const unreaped = zombies
        .filter(({ parent }) => parent !== 1)
        .map(({ pid, parent, program }) => `+ zombies: ${program} (pid ${pid}, parent ${parent})`);
      const lines = [...difference(wanted, footprint), ...unreaped];
      if (lines.length === 0) return;
      if (performance.now() >= deadline) {
        throw new BureauError(
          'leaked',
          `Expected instance ${this.#paths.name} to hold what it held before; after ${milliseconds} ms (+ is too much, - is missing):\n${lines.join('\n')}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
    }
  }
}

const NOTHING: Footprint = {
  processes: [],
  mounts: [],
  sockets: [],
  networkNamespaces: [],
  cgroups: [],
  runFiles: [],
  uidRanges: [],
  directories: [],
};

/** One line for each thing that is on one side only. */
export function difference(before: Footprint, after: Footprint): string[] {
  return (Object.keys(before) as (keyof Footprint)[]).flatMap((kind) => {
    const missing = without(before[kind], after[kind]).map((line) => `- ${kind}: ${line}`);
    const extra = without(after[kind], before[kind]).map((line) => `+ ${kind}: ${line}`);
    return [...missing, ...extra];
  });
}

/** `lines` less those of `others`, each as often as it is there. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at < 0) return true;
    left.splice(at, 1);
    return false;
  });
}
