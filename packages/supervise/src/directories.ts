// SPDX-License-Identifier: Apache-2.0
import { ensureDirectory } from '@bureau/files';
import type { StandFacts } from './service-table.ts';

/**
 * Makes or corrects the directories that every process of the stand expects: owners and modes are part of the wall.
 * `/run` is empty after a boot, so the service manager does it at each start.
 */
export function prepareDirectories({ paths, uids }: Pick<StandFacts, 'paths' | 'uids'>): void {
  const root = { uid: 0, gid: 0 };
  ensureDirectory(paths.runDir, { mode: 0o755, ...root });
  ensureDirectory(paths.systemDir, { mode: 0o750, uid: 0, gid: uids.daemon });
  ensureDirectory(`${paths.runDir}/.p`, { mode: 0o755, ...root });
  ensureDirectory(paths.logDir, { mode: 0o750, ...root });
  ensureDirectory(paths.outputLogDir, { mode: 0o700, ...root });
  ensureDirectory(paths.stateDir, { mode: 0o755, ...root });
  ensureDirectory(paths.workspaceRoot, { mode: 0o755, ...root });
  ensureDirectory(paths.launcherStateDirectory, { mode: 0o700, ...root });
  ensureDirectory(paths.daemonStateDirectory, { mode: 0o700, uid: uids.daemon, gid: uids.daemon });
}
