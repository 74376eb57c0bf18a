// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { LastingMemory, MemoryStore } from '@bureau/reconcile';
import type { Mutation, Weather } from './faults.ts';
import type { Life } from './life.ts';

/** What a daemon's memory store has on disk. */
export type MemoryDisk = Map<PrincipalName, LastingMemory>;

/** The daemon's memory store of one life: whole writes or none, and none at all when the disk is full or the daemon dies at it. */
export function fakeMemoryStore(disk: MemoryDisk, life: Life, weather: Weather, mutations: ReadonlySet<Mutation>): MemoryStore {
  return {
    load: () => {
      if (mutations.has('ended sandboxes are not listed, and the disk forgets')) return new Map();
      if (!mutations.has('people are told by each daemon anew')) return new Map(disk);
      return new Map([...disk].map(([principal, { notice: _told, ...memory }]) => [principal, memory]));
    },
    save: (changes) => {
      if (weather.diskFull) throw new Error('ENOSPC: no space left on device');
      if (!life.acts()) return;
      for (const [principal, memory] of changes) {
        if (memory === undefined) disk.delete(principal);
        else disk.set(principal, mutations.has('a stop by a command is not written down') ? withoutHalt(memory) : memory);
      }
    },
  };
}

function withoutHalt({ kept, ...memory }: LastingMemory): LastingMemory {
  if (kept === undefined) return memory;
  const { halted: _halted, ...rest } = kept;
  return { ...memory, kept: rest };
}
