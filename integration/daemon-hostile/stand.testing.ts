// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Stand } from '@bureau/testkit';

/** What `bureau machine status` says of one principal. */
export interface Status {
  readonly principal: string;
  readonly state: string;
  readonly restarts: number;
  readonly observedGeneration?: number;
  readonly id?: string;
  readonly message?: string;
}

/** The machine as its daemon says; `undefined` while that does not answer. */
export async function statusOf(
  stand: Stand,
): Promise<{ readonly sync: string; readonly refused: { readonly count: number }; readonly principals: readonly Status[] } | undefined> {
  const { code, stdout } = await stand.bureau(['machine', 'status', '--json']);
  if (code !== 0) return undefined;
  const { daemon } = JSON.parse(stdout) as {
    daemon: { sync: string; refused: { count: number }; status: { principals: Status[] } } | null;
  };
  return daemon === null ? undefined : { sync: daemon.sync, refused: daemon.refused, principals: daemon.status.principals };
}

/** What the daemon says of one principal. */
export async function principalOf(stand: Stand, principal: string): Promise<Status | undefined> {
  return (await statusOf(stand))?.principals.find((each) => each.principal === principal);
}

/** Every process of sandboxes: role, pid and start. */
export function sandboxes(stand: Stand): string[] {
  return stand.lasting(/^(payload|relay):/);
}

/** Whether something with this word among its arguments runs. */
export function runs(stand: Stand, word: string): boolean {
  return stand.processes().some(({ args, zombie, role }) => !zombie && role !== 'command' && args.includes(word));
}

export function daemonLog(stand: Stand): string {
  return readFileSync(`${stand.paths.logDir}/daemon.log`, 'utf8');
}
