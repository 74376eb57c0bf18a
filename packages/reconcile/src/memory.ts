// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import * as v from 'valibot';

/** What is remembered of one principal beyond rooms and launcher, and outlives the daemon. Fields of a newer daemon are left out. */
export const lastingMemory = v.object({
  /** When the end of the sandbox with this id was seen. */
  exit: v.exactOptional(v.object({ id: v.string(), at: v.number(), quickExits: v.number() })),
});
export type LastingMemory = Readonly<v.InferOutput<typeof lastingMemory>>;

/**
 * What the reconciler remembers of one principal. What the launcher was told is forgotten with the daemon, and told once more by the
 * next: telling twice does no harm, a word that was wrongly believed to be told does.
 */
export interface Memory extends LastingMemory {
  /** The credentials event that the launcher has accepted last. */
  readonly fed?: string;
  /** The grants and denials that the launcher has taken last, as `authorizationKey` names them. */
  readonly authorized?: string;
  /** What the payload was told last, as `payloadKey` names it. */
  readonly told?: string;
  /** The last action failed; `key` is its `actionKey`. */
  readonly failure?: { readonly key: string; readonly message: string; readonly retryAt: number };
}

/** Where lasting memory is kept. */
export interface MemoryStore {
  /** All that was kept. What cannot be read is left out, and told by the store: a damaged disk must not stop the machine. */
  load(): ReadonlyMap<PrincipalName, LastingMemory>;
  /** Keeps all of it or none; `undefined` removes. On disk when it returns. Throws when the disk does not take it. */
  save(changes: ReadonlyMap<PrincipalName, LastingMemory | undefined>): void;
}

/** The part of a memory that outlives the daemon. */
export function lastingOf(memory: Memory): LastingMemory {
  return v.parse(lastingMemory, memory);
}
