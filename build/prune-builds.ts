// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BUILD_NAME } from './inputs.ts';

export interface PruneOptions {
  /** Where builds are installed: /usr/lib/bureau. */
  readonly library: string;
  /** The build that was just installed: kept whatever else is true. */
  readonly keep: string;
  /** Where `bureau*\/current` links are: /etc. */
  readonly configuration: string;
  /** /proc. */
  readonly processes: string;
}

/**
 * Removes the builds that no instance's `current` link names and no process runs from (as program, in its arguments, or mapped);
 * returns their names. Sandboxes outlive restarts, so their build counts as in use as long as they run.
 */
export function pruneBuilds(options: PruneOptions): string[] {
  const used = new Set([options.keep, ...linkedBuilds(options.configuration), ...runningBuilds(options.library, options.processes)]);
  const unused = readdirSync(options.library).filter((name) => BUILD_NAME.test(name) && !used.has(name));
  for (const name of unused) rmSync(join(options.library, name), { recursive: true, force: true });
  return unused;
}

function linkedBuilds(configuration: string): string[] {
  const instances = readdirSync(configuration).filter((name) => name === 'bureau' || name.startsWith('bureau-'));
  return instances.flatMap((name) => {
    const target = orEmpty(() => readlinkSync(join(configuration, name, 'current')));
    return target === '' ? [] : [basename(target)];
  });
}

function runningBuilds(library: string, processes: string): string[] {
  const found = new Set<string>();
  for (const pid of readdirSync(processes).filter((name) => /^\d+$/.test(name))) {
    const folder = join(processes, pid);
    // A process may end while we look: nothing of it is then in use.
    const texts = [
      orEmpty(() => readlinkSync(join(folder, 'exe'))),
      orEmpty(() => readFileSync(join(folder, 'cmdline'), 'utf8')),
      orEmpty(() => readFileSync(join(folder, 'maps'), 'utf8')),
    ];
    for (const text of texts) {
      for (const part of text.split(`${library}/`).slice(1)) {
        const name = part.slice(0, 16);
        if (BUILD_NAME.test(name)) found.add(name);
      }
    }
  }
  return [...found];
}

function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
