// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import { exitReport, healthCheck, restartPolicy, sandboxId, sandboxSpec, type SandboxInfo } from '@bureau/protocol';
import * as v from 'valibot';

/** What must be on disk before it counts: no crash may make a machine forget it. */
export const keptMemory = v.object({
  /** The assignment's generation that `started`, `ended` and `quarantined` are about. */
  generation: v.number(),
  /** The one sandbox that a principal with `restart: never` gets; written before it is asked for. */
  started: v.exactOptional(sandboxId),
  /** It has ended for good. */
  ended: v.exactOptional(v.object({ id: sandboxId, restarts: v.number(), exit: v.exactOptional(exitReport) })),
  /** It ended so many times in a row, each soon after its start. */
  quarantined: v.exactOptional(v.object({ at: v.number(), exits: v.number(), exit: v.exactOptional(exitReport) })),
  /**
   * This sandbox is ended for what it did not answer, written before: its end is a failure, however it then ends. Its start is part of its
   * name: after a power failure attempts are counted anew.
   */
  unhealthy: v.exactOptional(v.object({ id: sandboxId, startedAt: v.number(), message: v.string(), wasHealthy: v.boolean() })),
  /** Somebody has stopped it by a command (`by`: who); holds for that generation alone. Only `MemoryKeeper.halt` writes it. */
  halted: v.exactOptional(v.object({ generation: v.number(), by: v.string(), at: v.number() })),
  /** Its assignment was taken away; this was the last one. With any other all of this is void. */
  removed: v.exactOptional(v.string()),
  /** With guarded updates: what stayed up last, how to bring it back, and by which policy it ran (earlier daemons did not keep that). */
  good: v.exactOptional(
    v.object({
      id: sandboxId,
      spec: sandboxSpec,
      restart: v.exactOptional(restartPolicy),
      healthCheck: v.exactOptional(healthCheck),
    }),
  ),
  /** With guarded updates: the spec (its key) that did not stay up, and why. */
  refused: v.exactOptional(v.object({ key: v.string(), message: v.string() })),
});
export type KeptMemory = Readonly<v.InferOutput<typeof keptMemory>>;

/** What is remembered of one principal beyond rooms and launcher, and outlives the daemon. Fields of a newer daemon are left out. */
export const lastingMemory = v.object({
  /** When the end of the sandbox with this id was seen, and how many in a row came soon after their start. */
  exit: v.exactOptional(v.object({ id: v.string(), at: v.number(), quickExits: v.number() })),
  kept: v.exactOptional(keptMemory),
  /** What people were told of it last, as `noticeKey` names it. */
  notice: v.exactOptional(v.string()),
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
  /** The spec (its key) that the launcher found right last. */
  readonly checked?: string;
  /** The last action failed, `times` in a row; `key` is its `actionKey`. */
  readonly failure?: { readonly key: string; readonly message: string; readonly retryAt: number; readonly times: number };
}

/** Where lasting memory is kept. */
export interface MemoryStore {
  /** All that was kept. What cannot be read is left out, and told by the store: a damaged disk must not stop the machine. */
  load(): ReadonlyMap<PrincipalName, LastingMemory>;
  /** Keeps all of it or none; `undefined` removes. On disk when it returns. Throws when the disk does not take it. */
  save(changes: ReadonlyMap<PrincipalName, LastingMemory | undefined>): void;
}

/** Whether something was said of this very sandbox. */
export function isAbout(said: { readonly id: string; readonly startedAt: number } | undefined, { id, startedAt }: SandboxInfo): boolean {
  return said?.id === id && said.startedAt === startedAt;
}

/** The part of a memory that outlives the daemon. */
export function lastingOf(memory: Memory): LastingMemory {
  return v.parse(lastingMemory, memory);
}

/** An entry with something added; what was about another generation is dropped, but for what guarded updates need. */
export function keptWith(kept: KeptMemory | undefined, about: number, more: Partial<KeptMemory>): KeptMemory {
  if (kept?.generation === about) return { ...kept, ...more };
  const { good, refused } = kept ?? {};
  return { generation: about, ...(good === undefined ? {} : { good }), ...(refused === undefined ? {} : { refused }), ...more };
}
