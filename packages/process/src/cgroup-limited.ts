// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BureauError } from '@bureau/core';
import type { Controller, ControllerName } from './cgroup-controllers.ts';
import { limitFiles, type GroupLimits } from './cgroup-limit-files.ts';
import { Cgroup } from './cgroup.ts';

/** Which limits a group ran into since it was made. */
export interface LimitHits {
  /** A process of it was killed because its memory was used up. */
  readonly memory: boolean;
  /** It was refused another process or thread. */
  readonly pids: boolean;
}

/** See `LimitedCgroup.openForBirth`; closed when it is disposed. */
export interface BirthDescriptors extends Disposable {
  readonly descriptors: readonly number[];
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

  /** Makes the group anew, so that its counters are its own. It is held to nothing yet: {@link hold} before anything of a stranger's runs in it. */
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

  /**
   * What a process needs to be born in this group (`CLONE_INTO_CGROUP`), or to put itself into it: the unified tree's directory, then `tasks` of each
   * tree of version 1, where the new process writes "0". Neither makes the kernel wait, as a move by another does for 10 ms. The kernel judges a
   * write into `tasks` by who opened it: whoever holds these can put any process into the group, so nobody but root may. Close-on-exec. Throws `cgroup_failed`.
   */
  openForBirth(): BirthDescriptors {
    using own = new DisposableStack();
    const open = (path: string, flags: number): number => {
      try {
        return own.adopt(openSync(path, flags), closeSync);
      } catch (cause) {
        throw new BureauError('cgroup_failed', `Could not open ${path} of a control group.`, { data: { path }, cause });
      }
    };
    const trees = this.#controllers.filter(({ version }) => version === 1);
    const descriptors = [
      open(this.path, constants.O_RDONLY | constants.O_DIRECTORY),
      ...trees.map((each) => open(join(this.#directory(each), 'tasks'), constants.O_WRONLY)),
    ];
    const held = own.move();
    return { descriptors, [Symbol.dispose]: () => held.dispose() };
  }

  override add(pid: number): void {
    super.add(pid);
    for (const controller of this.#controllers) if (controller.version === 1) new Cgroup(this.#directory(controller)).add(pid);
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

function writeLimit(path: string, value: string, optional: boolean): void {
  if (optional && !existsSync(path)) return;
  try {
    writeFileSync(path, value, { flag: 'r+' });
  } catch (cause) {
    throw new BureauError('cgroup_failed', `Could not set the limit ${path} to ${value}.`, { data: { path, value }, cause });
  }
}
