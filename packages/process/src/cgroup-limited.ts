// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BureauError, hasCode } from '@bureau/core';
import type { Controller, ControllerName } from './cgroup-controllers.ts';
import { limitFiles, type GroupLimits } from './cgroup-limit-files.ts';
import { Cgroup } from './cgroup.ts';
import { OOM_PREFERENCE } from './limits.ts';

/** Which limits a group ran into since it was made. */
export interface LimitHits {
  /** A process of it was killed because its memory was used up. */
  readonly memory: boolean;
  /** It was refused another process or thread. */
  readonly pids: boolean;
}

/**
 * A group of the unified tree that is held to limits: by the unified tree where that has the controller, else by a group of the same
 * name in the controller's own tree. It is ended, watched and found again like any other group.
 */
export class LimitedCgroup extends Cgroup {
  readonly #controllers: readonly Controller[];
  readonly #limits: GroupLimits;

  constructor(path: string, controllers: readonly Controller[], limits: GroupLimits) {
    super(path);
    this.#controllers = controllers;
    this.#limits = limits;
  }

  /** {@link make} and {@link hold}. Throws `cgroup_failed`. */
  override create(): void {
    this.make();
    this.hold();
  }

  /** Makes the group anew, so that its counters are its own. It is held to nothing yet, and nothing belongs into it before {@link hold}. */
  make(): void {
    this.remove();
    super.create();
    for (const controller of this.#controllers) if (controller.version === 1) new Cgroup(this.#directory(controller)).create();
  }

  /** Sets the limits of a group that was made. Throws `cgroup_failed`. */
  hold(): void {
    for (const controller of this.#controllers) {
      const directory = this.#directory(controller);
      for (const { file, value, optional } of limitFiles(this.#limits, controller.version).filter(
        (each) => each.controller === controller.name,
      ))
        writeLimit(join(directory, file), value, optional === true);
    }
  }

  /** Besides: when the whole host is out of memory, the kernel takes this process before anything of the host's. */
  override add(pid: number): void {
    super.add(pid);
    for (const controller of this.#controllers) if (controller.version === 1) new Cgroup(this.#directory(controller)).add(pid);
    try {
      writeFileSync(`/proc/${pid}/oom_score_adj`, String(OOM_PREFERENCE));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /** As {@link add}; the trees are asked side by side, since each may make us wait. */
  override async addSoon(pid: number): Promise<void> {
    const others = this.#controllers.filter(({ version }) => version === 1).map((each) => new Cgroup(this.#directory(each)).addSoon(pid));
    await Promise.all([super.addSoon(pid), ...others, this.#preferred(pid)]);
  }

  /** The limits that it ran into; false where the host has no such controller. */
  hits(): LimitHits {
    const memory = this.#counter('memory', { 1: 'memory.oom_control', 2: 'memory.events' }, 'oom_kill');
    return { memory: memory > 0, pids: this.#counter('pids', { 1: 'pids.events', 2: 'pids.events' }, 'max') > 0 };
  }

  /** The unified one goes last: as long as a part of it is there, it is listed. */
  override remove(): void {
    for (const controller of this.#controllers) if (controller.version === 1) new Cgroup(this.#directory(controller)).remove();
    super.remove();
  }

  override async removeSoon(): Promise<void> {
    const others = this.#controllers.filter(({ version }) => version === 1).map((each) => new Cgroup(this.#directory(each)).removeSoon());
    await Promise.all(others);
    await super.removeSoon();
  }

  async #preferred(pid: number): Promise<void> {
    try {
      await writeFile(`/proc/${pid}/oom_score_adj`, String(OOM_PREFERENCE));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  #directory({ version, root }: Controller): string {
    return version === 2 ? this.path : join(root, basename(dirname(this.path)), basename(this.path));
  }

  #counter(name: ControllerName, files: Readonly<Record<1 | 2, string>>, key: string): number {
    const controller = this.#controllers.find((each) => each.name === name);
    if (controller === undefined) return 0;
    const file = join(this.#directory(controller), files[controller.version]);
    if (!existsSync(file)) return 0;
    return Number(new RegExp(`^${key} ([0-9]+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
  }
}

function isGone(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH');
}

function writeLimit(path: string, value: string, optional: boolean): void {
  if (optional && !existsSync(path)) return;
  try {
    writeFileSync(path, value, { flag: 'r+' });
  } catch (cause) {
    throw new BureauError('cgroup_failed', `Could not set the limit ${path} to ${value}.`, { data: { path, value }, cause });
  }
}
