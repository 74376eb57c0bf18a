// SPDX-License-Identifier: Apache-2.0
import type { SandboxInfo } from '@bureau/protocol';

/** Carries changes of sandboxes to any number of watchers. What waits for one is bounded: a newer state replaces an older. */
export class SandboxWatchers {
  readonly #waiting = new Set<Map<string, SandboxInfo>>();
  readonly #wake = new Map<Map<string, SandboxInfo>, () => void>();

  /** Tells every watcher; a slow one sees the latest state of each sandbox, not each step. */
  tell(info: SandboxInfo): void {
    for (const pending of this.#waiting) {
      pending.set(`${info.principal} ${info.id}`, info);
      this.#wake.get(pending)?.();
    }
  }

  /** What is there when the first chunk is asked for, then each change, until the signal. */
  async *watch(now: () => readonly SandboxInfo[], signal: AbortSignal): AsyncGenerator<SandboxInfo, Record<string, never>> {
    const pending = new Map<string, SandboxInfo>(now().map((info) => [`${info.principal} ${info.id}`, info]));
    this.#waiting.add(pending);
    try {
      while (!signal.aborted) {
        for (const [key, info] of pending) {
          pending.delete(key);
          yield info;
        }
        if (pending.size === 0) await this.#next(pending, signal);
      }
      return {};
    } finally {
      this.#waiting.delete(pending);
      this.#wake.delete(pending);
    }
  }

  #next(pending: Map<string, SandboxInfo>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake.set(pending, wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
