// SPDX-License-Identifier: Apache-2.0
import { dirname } from 'node:path';
import { ensureDirectory } from '@bureau/files';
import type { SandboxPlan } from './bwrap-arguments.ts';
import { mountPoints } from './mount-plan.ts';
import type { RootCopies } from './root-copies.ts';

/**
 * Makes on disk what a plan names: generated files, the place overlays are put together on, and the directories that the principal keeps
 * (root's above, the payload's own at the end, so that it can never put a link in its place). Needs root.
 */
export function makePlaces(plan: SandboxPlan, roots: RootCopies): void {
  const { uid, gid, hostname, hostEtcDirectory, mounts, rootFilesDirectory, scratchDirectory } = plan;
  roots.ensure(rootFilesDirectory, { uid, gid, hostname, hostEtcDirectory, mountPoints: mountPoints(mounts) });
  if (scratchDirectory !== undefined) {
    ensureDirectory(dirname(scratchDirectory), { mode: 0o711, uid: 0, gid: 0 });
    ensureDirectory(scratchDirectory, { mode: 0o700, uid, gid });
  }
  for (const mount of mounts) {
    if (mount.type !== 'overlay') continue;
    ensureDirectory(dirname(mount.stage), { mode: 0o711, uid: 0, gid: 0 });
    if (typeof mount.upper !== 'string') continue;
    const own = dirname(mount.upper);
    for (const path of [dirname(own), own, mount.upper]) ensureDirectory(path, { mode: 0o711, uid: 0, gid: 0 });
    for (const part of ['upper', 'work']) ensureDirectory(`${mount.upper}/${part}`, { mode: 0o700, uid, gid });
  }
}
