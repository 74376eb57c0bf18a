// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { SandboxSpec } from '@bureau/protocol';
import { AGENT_DIRECTORY, SCRATCH, SCRATCH_DIRECTORY, WORKSPACE } from './layout.ts';
import { isWithin } from './mount-destinations.ts';

/** What is done for one of `createDirectories`: nothing, a directory in memory that is there anyway, or a memory file system of its own. */
export type CreatedDirectory =
  | { readonly type: 'there' }
  | { readonly type: 'directory'; readonly path: string }
  | { readonly type: 'memory'; readonly path: string };

/**
 * Where each of them comes to lie. Below `/workspace` and below a mount of the host none is made: what lies there outlives the run, and bubblewrap
 * 0.8.0 would follow a link that was planted there (CVE-2026-87766). Pure; destinations of mounts are judged elsewhere. Throws `mount_refused`.
 */
export function planDirectories(spec: Pick<SandboxSpec, 'mounts' | 'createDirectories' | 'scratch'>): CreatedDirectory[] {
  const memory = [
    ...SCRATCH.map(({ path }) => path),
    ...(spec.scratch === 'memory' ? [SCRATCH_DIRECTORY] : []),
    ...spec.mounts.flatMap((mount) => (mount.type === 'tmpfs' ? [mount.destination] : [])),
  ];
  const hosts = [
    WORKSPACE,
    AGENT_DIRECTORY,
    ...(spec.scratch === 'disk' ? [SCRATCH_DIRECTORY] : []),
    ...spec.mounts.flatMap((mount) => (mount.type === 'bind' || mount.type === 'overlay' ? [mount.destination] : [])),
  ];
  return (spec.createDirectories ?? []).map((path, index): CreatedDirectory => {
    if (memory.includes(path) || hosts.includes(path)) return { type: 'there' };
    if (memory.some((place) => isWithin(path, place))) return { type: 'directory', path };
    const host = hosts.find((place) => isWithin(path, place));
    if (host === undefined) return { type: 'memory', path };
    const field = `createDirectories[${index}]`;
    throw new BureauError(
      'mount_refused',
      `Cannot make ${JSON.stringify(path.slice(0, 200))} (${field}): ${host} outlives the run; the command can make it itself`,
      { data: { field, destination: path.slice(0, 200) } },
    );
  });
}
