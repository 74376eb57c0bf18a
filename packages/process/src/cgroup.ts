// SPDX-License-Identifier: Apache-2.0
import { lstatSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BureauError, hasCode } from '@bureau/core';
import { whenPopulatedEnds } from './cgroup-events.ts';
import { CGROUP_BUSY_MILLISECONDS, CGROUP_BUSY_PAUSE_MILLISECONDS } from './limits.ts';

function isGone(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ENODEV');
}

/** Blocks this thread. For the few milliseconds in which the kernel still counts a dead process. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/**
 * One control group of the unified tree, used to know what lives and to end it: no process can leave it without our help, whatever it
 * forks or detaches. Get one from `CgroupTree.group`; making the object touches nothing.
 */
export class Cgroup {
  /** The group's directory. */
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes the group; an existing one stays as it is. */
  create(): void {
    try {
      mkdirSync(this.path, { mode: 0o755 });
    } catch (error) {
      // The kernel's own files (`cpu.stat`) answer EEXIST as well.
      if (hasCode(error, 'EEXIST') && lstatSync(this.path).isDirectory()) return;
      throw new BureauError('cgroup_failed', `Could not make the control group ${this.path}.`, { data: { path: this.path }, cause: error });
    }
  }

  /** Moves a process and its threads into the group; children that it has already stay where they are. Throws `process_gone`, `cgroup_failed`. */
  add(pid: number): void {
    try {
      writeFileSync(join(this.path, 'cgroup.procs'), String(pid), { flag: 'r+' });
    } catch (error) {
      throw this.#notAdded(pid, error);
    }
  }

  /** The processes in this group and in groups below it; empty when it does not exist. Zombies are not listed. */
  pids(): number[] {
    try {
      const own = readFileSync(join(this.path, 'cgroup.procs'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map(Number);
      return [...own, ...this.#below().flatMap((group) => group.pids())];
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  }

  /** True while a process lives in this group or below; false when it does not exist. */
  populated(): boolean {
    try {
      return /^populated 1$/m.test(readFileSync(join(this.path, 'cgroup.events'), 'utf8'));
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
  }

  /** Kills all that lives in this group and below, stopped or forking processes included. Returns at once; see `whenEmpty`. */
  kill(): void {
    try {
      writeFileSync(join(this.path, 'cgroup.kill'), '1', { flag: 'r+' });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /** Resolves when nothing lives in this group or below (at once if so already); rejects with the signal's reason. */
  whenEmpty(signal: AbortSignal): Promise<void> {
    return whenPopulatedEnds(join(this.path, 'cgroup.events'), () => this.populated(), signal);
  }

  /** Removes the group and the groups below it; nothing when it does not exist. Throws `cgroup_busy` when processes live in it. */
  remove(): void {
    for (const group of this.#below()) group.remove();
    const tries = CGROUP_BUSY_MILLISECONDS / CGROUP_BUSY_PAUSE_MILLISECONDS;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return rmdirSync(this.path);
      } catch (error) {
        if (isGone(error)) return;
        if (!hasCode(error, 'EBUSY')) throw error;
        if (attempt >= tries || this.populated()) {
          const message = `Could not remove the control group ${this.path}: processes ${this.pids().join(' ') || '(unknown)'} live in it. Kill it and wait until it is empty first.`;
          throw new BureauError('cgroup_busy', message, { data: { path: this.path }, cause: error });
        }
        pause(CGROUP_BUSY_PAUSE_MILLISECONDS);
      }
    }
  }

  /** Removes the group if nothing is in it; false when that cannot be done now. Never waits, never throws. */
  tryRemove(): boolean {
    try {
      rmdirSync(this.path);
      return true;
    } catch (error) {
      return isGone(error);
    }
  }

  /** Like {@link tryRemove}, without stopping this thread: the kernel takes some milliseconds. Never rejects. */
  async tryRemoveSoon(): Promise<boolean> {
    try {
      await rmdir(this.path);
      return true;
    } catch (error) {
      return isGone(error);
    }
  }

  /** Like {@link remove}; what the kernel takes some milliseconds for does not stop this thread. */
  async removeSoon(): Promise<void> {
    if (!(await this.tryRemoveSoon())) this.remove();
  }

  #notAdded(pid: number, cause: unknown): BureauError {
    if (hasCode(cause, 'ESRCH'))
      return new BureauError('process_gone', `Process ${pid} has ended before it was moved into ${this.path}.`, { data: { pid }, cause });
    return new BureauError('cgroup_failed', `Could not move process ${pid} into the control group ${this.path}.`, {
      data: { pid, path: this.path },
      cause,
    });
  }

  #below(): Cgroup[] {
    try {
      const entries = readdirSync(this.path, { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory()).map((entry) => new Cgroup(join(this.path, entry.name)));
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  }
}
