// SPDX-License-Identifier: Apache-2.0
import { formatDuration } from '@bureau/core';
import type { ExitReport, PlannedAction, PrincipalStatus } from '@bureau/protocol';

/** One line for a person. Texts that came from elsewhere are already without control characters by their schema. */
export function describeStatus(status: PrincipalStatus): string {
  const parts: string[] = [`${status.principal} ${status.state}`];
  if (status.health !== undefined) parts.push(HEALTH[status.health]);
  if (status.restarts > 0) parts.push(`started again ${status.restarts}×`);
  if (status.exit !== undefined) parts.push(describeExit(status.exit));
  if (status.message !== undefined) parts.push(status.message);
  return parts.join(', ');
}

const HEALTH: Readonly<Record<NonNullable<PrincipalStatus['health']>, string>> = {
  checking: 'has not answered its health check yet',
  healthy: 'healthy',
  unhealthy: 'unhealthy',
};

const LIMITS: Readonly<Record<NonNullable<ExitReport['limits']>[number], string>> = {
  memory: 'out of memory: the kernel killed a process of it',
  pids: 'it was refused another process',
  scratch: '/tmp, /dev/shm or home was full',
  workspace: 'the disk under /workspace was full',
};

/** How a payload ended, and what it ran into. */
function describeExit({ code, signal, reason, limits = [] }: ExitReport): string {
  return [signal ?? reason ?? `exit code ${code}`, ...limits.map((limit) => LIMITS[limit])].join(', ');
}

/** What it ran into, for a person who sees the payload's own output and exit code already; empty when it was nothing. */
export function describeLimits({ limits = [] }: ExitReport): string {
  return limits.map((limit) => LIMITS[limit]).join(', ');
}

/** A table of statuses. */
export function statusTable(statuses: readonly PrincipalStatus[]): string {
  if (statuses.length === 0) return 'no agents';
  const width = Math.max(...statuses.map(({ principal }) => principal.length));
  return statuses
    .map((status) => `${status.principal.padEnd(width)}  ${describeStatus(status).slice(status.principal.length + 1)}`)
    .join('\n');
}

/** One planned step for a person: what, for whom, why, when the machine goes on by itself, and the event behind it. */
export function describeStep({ action, principal, reason, event, until }: PlannedAction, now: number): string {
  const when = until === undefined ? '' : `, in ${formatDuration(Math.max(0, until - now))} (${new Date(until).toISOString()})`;
  return `${action} ${principal}: ${reason}${when}${event === undefined ? '' : ` (${event})`}`;
}
