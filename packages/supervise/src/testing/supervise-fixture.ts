// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Clock } from '@bureau/core';
import { createLogger, type Logger } from '@bureau/log';
import { CgroupTree, readProcess, systemClock } from '@bureau/process';
import { endEverything } from '../end-everything.ts';
import type { ServiceDefinition } from '../service-definition.ts';
import { RESTART_PAUSE_FIRST, RESTART_PAUSE_LONGEST } from '../limits.ts';

/** How long a test waits for something that must happen. */
const PATIENCE_MILLISECONDS = 20_000;

let trees = 0;

/** A tree of control groups and a directory of this test's own; what is left of both is ended and removed. */
export function surroundings(context: TestContext): { tree: CgroupTree; directory: string } {
  trees += 1;
  const tree = CgroupTree.open(`bureau-u${process.pid}-${trees}`);
  const directory = mkdtempSync(join(tmpdir(), 'bureau-supervise-'));
  context.after(async () => {
    await endEverything(tree, 0, systemClock);
    rmSync(directory, { recursive: true, force: true });
  });
  return { tree, directory };
}

/** False once it has ended: that its parent has not noticed yet, as it may be when another service manager stopped it, is no life. */
export function alive(pid: number | undefined): boolean {
  const found = pid === undefined ? undefined : readProcess(pid);
  return found !== undefined && !found.zombie;
}

/** A logger that keeps each line, and tells when one with this text comes. */
export class HeardLog {
  readonly lines: string[] = [];
  #waiting: { readonly text: string; readonly heard: () => void }[] = [];
  readonly logger: Logger;

  constructor() {
    const hear = (_facts: unknown, text?: string): void => this.#hear(text ?? '');
    this.logger = Object.assign(Object.create(createLogger({ name: 'test' })) as Logger, {
      info: hear,
      warn: hear,
      error: hear,
      fatal: hear,
      debug: hear,
    });
  }

  /** Resolves at the next line that contains `text`. */
  next(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Nobody said "${text}"; said: ${this.lines.join(' | ')}`)), PATIENCE_MILLISECONDS);
      this.#waiting.push({
        text,
        heard: () => {
          clearTimeout(late);
          resolve();
        },
      });
    });
  }

  #hear(line: string): void {
    this.lines.push(line);
    const now = this.#waiting.filter(({ text }) => line.includes(text));
    this.#waiting = this.#waiting.filter((each) => !now.includes(each));
    for (const { heard } of now) heard();
  }
}

/** The machine's time, except that pauses before a restart pass only when the test says so. */
export class PausedRestarts implements Clock {
  readonly pauses: number[] = [];
  #pending = new Map<object, () => void>();

  now(): number {
    return systemClock.now();
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  setTimer(milliseconds: number, callback: () => void): { clear: () => void } {
    const isPause =
      milliseconds >= RESTART_PAUSE_FIRST &&
      milliseconds < RESTART_PAUSE_LONGEST &&
      Number.isInteger(Math.log2(milliseconds / RESTART_PAUSE_FIRST));
    if (!isPause) return systemClock.setTimer(milliseconds, callback);
    const key = {};
    this.pauses.push(milliseconds);
    this.#pending.set(key, callback);
    return { clear: () => void this.#pending.delete(key) };
  }

  /** Pauses that have not been cleared. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Lets all pending pauses pass. */
  pass(): void {
    const due = [...this.#pending.values()];
    this.#pending.clear();
    for (const callback of due) callback();
  }
}

/** A service that is a shell script; descriptor 3 is its readiness pipe. The script's text holds the mark. */
export function scriptService(script: string, more: Partial<ServiceDefinition> = {}): ServiceDefinition {
  return {
    name: 'thing',
    uid: 0,
    command: '/bin/sh',
    args: ['-c', `: mark-one; ${script}`],
    env: { PATH: '/usr/bin:/bin' },
    listeners: [],
    ready: { by: 'pipe' },
    mark: 'mark-one',
    outlivesHandOver: false,
    restarts: true,
    ...more,
  };
}

/** A script that is ready at once and stays; it ends by TERM. */
export const STAYS = 'echo ready >&3; exec 3>&-; while :; do sleep 1000 & wait; done';

/** What this process holds open, without what the event loop itself opens. */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
    .flatMap((descriptor) => {
      try {
        return [readlinkSync(`/proc/self/fd/${descriptor}`)];
      } catch {
        return [];
      }
    })
    .filter((target) => !target.startsWith('anon_inode') && !target.startsWith('/proc/'))
    .toSorted();
}
