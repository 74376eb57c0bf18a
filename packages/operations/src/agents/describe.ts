// SPDX-License-Identifier: Apache-2.0
import type { PrincipalStatus } from '@bureau/protocol';

/** One line for a person. Texts that came from elsewhere are already without control characters by their schema. */
export function describeStatus(status: PrincipalStatus): string {
  const parts: string[] = [`${status.principal} ${status.state}`];
  if (status.restarts > 0) parts.push(`started again ${status.restarts}×`);
  if (status.exit !== undefined) parts.push(status.exit.signal ?? status.exit.reason ?? `exit code ${status.exit.code}`);
  if (status.message !== undefined) parts.push(status.message);
  return parts.join(', ');
}

/** A table of statuses. */
export function statusTable(statuses: readonly PrincipalStatus[]): string {
  if (statuses.length === 0) return 'no agents';
  const width = Math.max(...statuses.map(({ principal }) => principal.length));
  return statuses
    .map((status) => `${status.principal.padEnd(width)}  ${describeStatus(status).slice(status.principal.length + 1)}`)
    .join('\n');
}
