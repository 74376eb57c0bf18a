// SPDX-License-Identifier: Apache-2.0
/**
 * Child processes that are ready when they say so and gone when they are stopped, control groups that end what escapes, and what
 * `/proc` knows about a process. Also the real clock.
 *
 * @example
 * ```ts
 * import { CgroupTree, startChild, systemClock } from '@bureau/process';
 *
 * const cgroup = CgroupTree.open('bureau').group('daemon');
 * const child = await startChild({
 *   command: '/usr/bin/env', args: ['sh', '-c', 'echo ready >&3; exec sleep 60'], env: { PATH: '/usr/bin:/bin' },
 *   stdio: ['ignore', 'ignore', 'ignore', 'pipe'], readyFd: 3, cgroup, clock: systemClock,
 * });
 * await child.stop(1_000); // { code: null, signal: 'SIGTERM' }, and nothing of it lives
 * ```
 */
export { startChild } from './start-child.ts';
export type { Child, ChildExit, StartChildOptions } from './child.ts';
export { dropPrivileges } from './drop-privileges.ts';
export type { CommandLine } from './drop-privileges.ts';
export { becomeUser } from './become-user.ts';
export { WarmPool } from './warm-pool.ts';
export type { WarmPoolOptions } from './warm-pool.ts';
export { PoolMember } from './pool-member.ts';
export type { PoolProgram } from './pool-member.ts';
export { identityPowers } from './identity-powers.ts';
export { encodeOrder, sayReady, takeOrder, waitForOrder } from './member-order.ts';
export type { DescriptorCount, MemberOrder } from './member-order.ts';
export { sayFailed } from './start-failure.ts';
export { systemClock } from './system-clock.ts';
export { CgroupTree } from './cgroup-tree.ts';
export type { CgroupTreeOptions } from './cgroup-tree.ts';
export type { Controller, ControllerSupport } from './cgroup-controllers.ts';
export type { GroupLimits } from './cgroup-limit-files.ts';
export { LimitedCgroup } from './cgroup-limited.ts';
export type { LimitHits } from './cgroup-limited.ts';
export { resourceReport } from './resource-report.ts';
export type { ResourceFinding } from './resource-report.ts';
export { Cgroup } from './cgroup.ts';
export { groupsByUid } from './cgroup-uids.ts';
export { endGroup, untilEmpty } from './cgroup-end.ts';
export { processTree, readProcess, readProcesses } from './process-table.ts';
export type { ProcessEntry } from './process-table.ts';
export { readProcessStatus } from './process-status.ts';
export type { ProcessStatus } from './process-status.ts';
export { OrphanReaper } from './orphan-reaper.ts';
