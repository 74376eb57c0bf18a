// SPDX-License-Identifier: Apache-2.0
import type { Clock, PrincipalName } from '@bureau/core';
import type { MachineLoadContent } from '@bureau/protocol';
import { memoryField } from './hardware.ts';
import { PRINCIPALS_MAX } from './limits.ts';
import { findTrees, sandboxUsage, type SandboxTrees } from './sandbox-usage.ts';
import { readSystemFile } from './system-file.ts';

/** One sandbox whose usage is asked for. */
export interface MeteredPrincipal {
  readonly principal: PrincipalName;
  /** Its number, and so its cgroup's. */
  readonly number: number;
  readonly running: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export interface LoadMeterOptions {
  readonly clock: Clock;
  /** Of the instance's groups. */
  readonly cgroupName: string;
  /** For tests: what `/proc` and `/sys` are below. */
  readonly root?: string;
}

/** Measures how busy the machine is since it was asked last. */
export class LoadMeter {
  readonly #clock: Clock;
  readonly #root: string;
  readonly #trees: SandboxTrees;
  #processor: ProcessorTime | undefined;
  readonly #used = new Map<number, { readonly at: number; readonly cpuMicroseconds: number }>();

  constructor({ clock, cgroupName, root = '' }: LoadMeterOptions) {
    this.#clock = clock;
    this.#root = root;
    this.#trees = findTrees(cgroupName, root);
    this.#processor = parseProcessorTime(readSystemFile(`${root}/proc/stat`) ?? '');
  }

  /** The load between the last call (at first: the making of this) and now; of a sandbox that is seen for the first time: since it started. */
  measure(sandboxes: readonly MeteredPrincipal[]): MachineLoadContent {
    const memory = readSystemFile(`${this.#root}/proc/meminfo`) ?? '';
    const uptime = /^([0-9]{1,12})/.exec(readSystemFile(`${this.#root}/proc/uptime`) ?? '')?.[1];
    const running = sandboxes.filter((each) => each.running);
    const principals = running.flatMap((each) => this.#principal(each) ?? []);
    for (const number of this.#used.keys()) if (!running.some((each) => each.number === number)) this.#used.delete(number);
    return {
      v: 1,
      at: this.#clock.now(),
      cpuPercent: this.#cpuPercent(),
      memoryUsedBytes: Math.max(0, memoryField(memory, 'MemTotal') - memoryField(memory, 'MemAvailable')),
      uptimeSeconds: Number(uptime ?? 0),
      sandboxes: { running: running.length, waiting: sandboxes.length - running.length },
      principals: principals.toSorted((a, b) => b.cpuPercent - a.cpuPercent || b.memoryBytes - a.memoryBytes).slice(0, PRINCIPALS_MAX),
    };
  }

  #cpuPercent(): number {
    const before = this.#processor;
    const now = parseProcessorTime(readSystemFile(`${this.#root}/proc/stat`) ?? '');
    this.#processor = now;
    if (before === undefined || now === undefined || now.all <= before.all) return 0;
    return Math.min(100, Math.max(0, Math.round((100 * (now.busy - before.busy)) / (now.all - before.all))));
  }

  #principal({ principal, number, startedAt }: MeteredPrincipal): MachineLoadContent['principals'][number] | undefined {
    const usage = sandboxUsage(this.#trees, number);
    if (usage === undefined) return undefined;
    const at = this.#clock.monotonic();
    const before = this.#used.get(number) ?? { at: at - (this.#clock.now() - startedAt), cpuMicroseconds: 0 };
    this.#used.set(number, { at, cpuMicroseconds: usage.cpuMicroseconds });
    // A group that was made anew counts from nothing again; a wall clock that jumped makes no sense of a start.
    const microseconds = Math.max(0, usage.cpuMicroseconds - before.cpuMicroseconds);
    const elapsed = at - before.at;
    const cpuPercent = elapsed <= 0 ? 0 : Math.min(100_000, Math.round(microseconds / 10 / elapsed));
    return { principal, cpuPercent, memoryBytes: usage.memoryBytes };
  }
}

/** Ticks of all processors together. */
interface ProcessorTime {
  readonly busy: number;
  readonly all: number;
}

/** The first line of `/proc/stat`: user nice system idle iowait irq softirq steal; time of guests is in user's already. Pure. */
function parseProcessorTime(text: string): ProcessorTime | undefined {
  const line = /^cpu +([0-9 ]+)$/m.exec(text)?.[1];
  if (line === undefined) return undefined;
  const ticks = line.trim().split(' ').slice(0, 8).map(Number);
  const all = ticks.reduce((sum, each) => sum + each, 0);
  const [, , , idle = 0, waiting = 0] = ticks;
  return { busy: all - idle - waiting, all };
}
