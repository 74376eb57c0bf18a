// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import { ensureDirectory } from '@bureau/files';
import type { InstancePaths } from './paths.ts';
import type { InstanceUids } from './uids.ts';

/**
 * Makes or corrects the directories that all of an instance shares. Needs root. Throws `directory_unsafe`, `directory_failed`.
 * The run directory and `.p` may be passed through by all and listed by none, so that no agent learns of another.
 */
export function ensureInstanceDirectories(paths: InstancePaths, uids: InstanceUids): void {
  const root = { uid: 0, gid: 0 };
  ensureDirectory(paths.runDir, { mode: 0o711, ...root });
  ensureDirectory(paths.systemDir, { mode: 0o750, uid: 0, gid: uids.daemon });
  ensureDirectory(paths.principalsDir, { mode: 0o711, ...root });
  ensureDirectory(paths.configDir, { mode: 0o755, ...root });
  ensureDirectory(paths.operatorsDirectory, { mode: 0o755, ...root });
  ensureDirectory(paths.stateDir, { mode: 0o711, ...root });
  ensureDirectory(paths.launcherStateDirectory, { mode: 0o700, ...root });
  ensureDirectory(paths.daemonStateDirectory, { mode: 0o700, uid: uids.daemon, gid: uids.daemon });
  // Root's: the homeserver owns only data/ in it, so it cannot replace its configuration (packages/homeserver).
  ensureDirectory(paths.homeserverStateDirectory, { mode: 0o750, uid: 0, gid: uids.homeserver });
  ensureDirectory(paths.workspaceRoot, { mode: 0o711, ...root });
  ensureDirectory(paths.logDir, { mode: 0o711, ...root });
  ensureDirectory(paths.outputLogDir, { mode: 0o750, uid: 0, gid: uids.daemon });
}

/**
 * Makes or corrects the directories of one principal: agent (0750 root:payload), admin (0700 root), relay (0750 root:daemon),
 * exit (0700, the payload's), its proxy's access log (0700), and those above them in the run directory. Needs root. Throws `directory_unsafe`, `directory_failed`.
 */
export function ensurePrincipalDirectories(paths: InstancePaths, number: number, uids: InstanceUids): void {
  const own = paths.principal(number);
  const payload = uids.payload(number);
  ensureRelayDirectory(paths, number, uids);
  ensureDirectory(own.agentDirectory, { mode: 0o750, uid: 0, gid: payload });
  ensureDirectory(own.adminDirectory, { mode: 0o700, uid: 0, gid: 0 });
  ensureDirectory(own.exitDirectory, { mode: 0o700, uid: payload, gid: payload });
  // The proxy rotates its own access log: nobody else, the daemon included, reads where its agent goes.
  const proxy = uids.proxy(number);
  ensureDirectory(paths.logDir, { mode: 0o711, uid: 0, gid: 0 });
  ensureDirectory(paths.accessLogDirectory(number), { mode: 0o700, uid: proxy, gid: proxy });
}

/** The one of a principal's directories that its relay needs before all others, and those above it. Needs root. Throws like {@link ensurePrincipalDirectories}. */
export function ensureRelayDirectory(paths: InstancePaths, number: number, uids: InstanceUids): void {
  const own = paths.principal(number);
  for (const path of [paths.runDir, paths.principalsDir, own.directory]) ensureDirectory(path, { mode: 0o711, uid: 0, gid: 0 });
  ensureDirectory(own.relayDirectory, { mode: 0o750, uid: 0, gid: uids.daemon });
}

/**
 * Makes or corrects a principal's workspace, which belongs to its payload, and the root-owned directories between it and the root of
 * workspaces. Needs root. Throws `directory_unsafe`, `directory_failed`.
 */
export function ensureWorkspace(paths: InstancePaths, principal: PrincipalName, number: number, uids: InstanceUids): void {
  const segments = principal.split('/');
  for (let depth = 1; depth < segments.length; depth += 1) {
    ensureDirectory(`${paths.workspaceRoot}/${segments.slice(0, depth).join('/')}`, { mode: 0o711, uid: 0, gid: 0 });
  }
  const payload = uids.payload(number);
  ensureDirectory(paths.workspaceOf(principal), { mode: 0o700, uid: payload, gid: payload });
}
