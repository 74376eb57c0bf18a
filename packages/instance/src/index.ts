// SPDX-License-Identifier: Apache-2.0
/**
 * One stand on a machine: where its files are, which uids are its own, and which number each principal has for life.
 *
 * @example
 * ```ts
 * import { parseInstanceName, parsePrincipalName } from '@bureau/core';
 * import { instancePaths, uidsOf } from '@bureau/instance';
 *
 * const paths = instancePaths(parseInstanceName(''));
 * paths.socketLink(parsePrincipalName('iree/amdgpu/pm')); // '/run/bureau/iree/amdgpu/pm.sock'
 * uidsOf(200_000).proxy(3); // 200023
 * ```
 */
export { UIDS_FILE, instancePaths } from './paths.ts';
export type { InstancePaths, PrincipalPaths } from './paths.ts';
export { uidsOf } from './uids.ts';
export type { InstanceUids } from './uids.ts';
export { allocateUidBase, releaseUidBase } from './allocate.ts';
export type { AllocateOptions } from './allocate.ts';
export { PrincipalNumbers } from './principal-numbers.ts';
export { daemonSessionFile, readDaemonSession, revocationMarkFile, writeDaemonSession } from './daemon-session.ts';
export { readMachine, readSettings, warmSizes, writeMachine, writeSettings } from './settings.ts';
export type { InstanceSettings, MachineSettings } from './settings.ts';
export { ensureInstanceDirectories, ensurePrincipalDirectories, ensureRelayDirectory, ensureWorkspace } from './directories.ts';
