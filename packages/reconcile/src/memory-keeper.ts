// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import { lastingOf, type KeptMemory, type LastingMemory, type Memory, type MemoryStore } from './memory.ts';

/** What the reconciler remembers, and which of it is not yet on disk. */
export class MemoryKeeper {
  readonly #store: MemoryStore;
  readonly #memories: Map<PrincipalName, Memory>;
  /** What is on disk, as text. */
  readonly #kept: Map<PrincipalName, string>;
  readonly #changed = new Set<PrincipalName>();

  constructor(store: MemoryStore) {
    this.#store = store;
    const loaded = store.load();
    this.#memories = new Map(loaded);
    this.#kept = new Map([...loaded].map(([principal, memory]) => [principal, JSON.stringify(memory)]));
  }

  /** All of it, as `plan` takes it. */
  get all(): ReadonlyMap<PrincipalName, Memory> {
    return this.#memories;
  }

  of(principal: PrincipalName): Memory {
    return this.#memories.get(principal) ?? {};
  }

  set(principal: PrincipalName, memory: Memory): void {
    this.#memories.set(principal, memory);
    this.#changed.add(principal);
  }

  /**
   * Sets what no crash may take away; it is on disk when this returns. Throws what the disk says: then it is as it was. Whether somebody has
   * stopped it is not touched: what is kept here was decided before, and may be older than that.
   */
  keep(principal: PrincipalName, kept: KeptMemory | undefined): void {
    const before = this.of(principal).kept;
    // What was said of an assignment that was taken away says nothing of the next one.
    const halted = before?.removed === undefined || kept?.removed !== undefined ? before?.halted : undefined;
    const { halted: _older, ...rest } = kept ?? { generation: halted?.generation ?? 0 };
    if (halted === undefined) this.#write(principal, kept === undefined ? undefined : rest);
    else this.#write(principal, { ...rest, halted });
  }

  /**
   * Notes that somebody has stopped what this event assigns, or (`undefined`) that nobody has. On disk when this returns; throws what the disk
   * says.
   */
  halt(principal: PrincipalName, event: string, halted: KeptMemory['halted']): void {
    const { kept } = this.of(principal);
    const valid = kept?.removed === undefined || kept.removed === event ? kept : undefined;
    const { halted: _before, ...rest } = valid ?? { generation: halted?.generation ?? 0 };
    this.#write(principal, halted === undefined ? rest : { ...rest, halted });
  }

  #write(principal: PrincipalName, kept: KeptMemory | undefined): void {
    const before = this.of(principal);
    const { kept: _before, ...memory } = before;
    this.set(principal, kept === undefined ? memory : { ...memory, kept });
    try {
      this.flush();
    } catch (error) {
      this.set(principal, before);
      throw error;
    }
  }

  /** What people were told last of these principals; `undefined`: nothing that still holds. On disk with the next write. */
  setNotice(told: ReadonlyMap<PrincipalName, string | undefined>): void {
    for (const [principal, notice] of told) {
      const { notice: _before, ...memory } = this.of(principal);
      this.set(principal, notice === undefined ? memory : { ...memory, notice });
    }
  }

  /** Keeps what is remembered of these principals and of no other. */
  retain(principals: ReadonlySet<PrincipalName>): void {
    for (const principal of this.#memories.keys()) {
      if (principals.has(principal)) continue;
      this.#memories.delete(principal);
      this.#changed.add(principal);
    }
  }

  /** Puts on disk what is not there yet, in one write. Throws what the disk says; the next call tries all of it again. */
  flush(): void {
    const changes = new Map<PrincipalName, LastingMemory | undefined>();
    const texts = new Map<PrincipalName, string>();
    for (const principal of this.#changed) {
      const memory = this.#memories.get(principal);
      const lasting = memory === undefined ? undefined : lastingOf(memory);
      const text = lasting === undefined ? '{}' : JSON.stringify(lasting);
      if (text === (this.#kept.get(principal) ?? '{}')) continue;
      changes.set(principal, text === '{}' ? undefined : lasting);
      texts.set(principal, text);
    }
    if (changes.size > 0) this.#store.save(changes);
    this.#changed.clear();
    for (const [principal, text] of texts) {
      if (text === '{}') this.#kept.delete(principal);
      else this.#kept.set(principal, text);
    }
  }
}
