// SPDX-License-Identifier: Apache-2.0
import { watch, type FSWatcher } from 'node:fs';
import { hasCode } from '@bureau/core';

/**
 * Waits until `populated()` is false, asking it again each time the kernel touches the events file. The watch stands before the first
 * question, so a change between the two is not lost; a missing file counts as not populated.
 */
export function whenPopulatedEnds(eventsFile: string, populated: () => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    let watcher: FSWatcher;
    try {
      watcher = watch(eventsFile);
    } catch (error) {
      return hasCode(error, 'ENOENT') ? resolve() : reject(error);
    }
    const end = (settle: () => void): void => {
      watcher.close();
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = (): void => end(() => reject(signal.reason));
    const look = (): void => {
      try {
        if (!populated()) end(resolve);
      } catch (error) {
        end(() => reject(error));
      }
    };
    signal.addEventListener('abort', onAbort, { once: true });
    watcher.on('change', look);
    watcher.on('error', (error) => end(() => reject(error)));
    look();
  });
}
