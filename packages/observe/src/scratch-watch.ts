// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, statfsSync, statSync } from 'node:fs';
import type { Clock, Timer } from '@bureau/core';
import type { ExitReport } from '@bureau/protocol';
import { SCRATCH_LOOKS, SCRATCH_LOOK_MILLISECONDS } from './limits.ts';

/** Linux's `O_PATH`, which Node does not name: a handle that reads nothing and opens nothing. */
const O_PATH = 0o10000000;
/** Memory file systems of every sandbox (`layout.ts` of packages/sandbox), then what is the host's disk. */
const SCRATCH = ['tmp', 'dev/shm', 'home/agent'] as const;
const WORKSPACE = 'workspace';
/** As `apps/c-programs/src/starter/scratch.c` opens them. */
const PLACES = [...SCRATCH, WORKSPACE] as const;
/** A file system with less than this left takes no more of what programs write. */
const FULL_BELOW_BYTES = 4_096;

/**
 * Knows at a payload's end which of its disks were full. The sandbox's mounts are gone by then, so a handle to each is
 * held from early on: its starter, then its relay, looks for them from the moment the command is released, and a payload that ends before the first
 * look (20 ms) is not judged.
 */
export class ScratchWatch {
  readonly #init: number;
  readonly #clock: Clock;
  #handles = new Map<string, number>();
  #timer: Timer | undefined;
  #looks = 0;

  /** `handles`: those that the starter has, in the order of their names; none: it found no root that stands yet. */
  constructor(init: number, handles: readonly number[], clock: Clock) {
    this.#init = init;
    this.#clock = clock;
    for (const [at, handle] of handles.entries()) this.#handles.set(PLACES[at] ?? '', handle);
    if (handles.length === 0) this.#later();
  }

  /** Which are full now, and lets go of them. Once. */
  end(): NonNullable<ExitReport['limits']> {
    this.#timer?.clear();
    const full = new Set<'scratch' | 'workspace'>();
    for (const [name, handle] of this.#handles) {
      if (isFull(handle)) full.add(name === WORKSPACE ? 'workspace' : 'scratch');
      closeSync(handle);
    }
    this.#handles.clear();
    return [...full];
  }

  #later(): void {
    this.#timer = this.#clock.setTimer(SCRATCH_LOOK_MILLISECONDS, () => {
      this.#looks += 1;
      if (!this.#take() && this.#looks < SCRATCH_LOOKS) this.#later();
    });
  }

  /** Opens all four when the sandbox's root stands; its mount points cannot be moved or replaced from inside. */
  #take(): boolean {
    const root = `/proc/${this.#init}/root`;
    try {
      // Before bubblewrap has changed its root this is the host's, where /workspace is not.
      if (statSync(`${root}/tmp`).dev === statSync('/tmp').dev) return false;
      for (const name of PLACES)
        this.#handles.set(name, openSync(`${root}/${name}`, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW));
      return true;
    } catch {
      // Not there yet, or gone: nothing is claimed of what was not seen.
      for (const handle of this.#handles.values()) closeSync(handle);
      this.#handles.clear();
      return false;
    }
  }
}

function isFull(handle: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(`/proc/self/fd/${handle}`);
    return bavail * bsize < FULL_BELOW_BYTES;
  } catch {
    return false;
  }
}
