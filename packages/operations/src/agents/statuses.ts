// SPDX-License-Identifier: Apache-2.0
import type { PlannedAction, PrincipalStatus } from '@bureau/protocol';
import type { DaemonClient } from '../daemon-client.ts';

/** What the machine says of all its principals, in the order of their names. */
export async function allStatuses(daemon: DaemonClient): Promise<PrincipalStatus[]> {
  const all: PrincipalStatus[] = [];
  for (let after: PrincipalStatus['principal'] | null | undefined; after !== null;) {
    const { principals, next } = await daemon.call('principals', after === undefined ? {} : { after });
    all.push(...principals);
    after = next;
  }
  return all;
}

/** Everything that the machine would do now, in the order of the principals' names. */
export async function wholePlan(daemon: DaemonClient): Promise<PlannedAction[]> {
  const all: PlannedAction[] = [];
  for (let after: PlannedAction['principal'] | null | undefined; after !== null;) {
    const { actions, next } = await daemon.call('plan', after === undefined ? {} : { after });
    all.push(...actions);
    after = next;
  }
  return all;
}
