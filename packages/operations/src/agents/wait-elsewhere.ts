// SPDX-License-Identifier: Apache-2.0
import { BureauError, sleep, type PrincipalName } from '@bureau/core';
import { PRINCIPAL_STATUS, readEvent, type PrincipalStatus } from '@bureau/protocol';
import type { Operator } from '../operator.ts';
import type { OperationContext } from '../registry/context.ts';
import { judgeGoal } from './goal.ts';

const LOOK_MILLISECONDS = 1_000;
/** A machine that is there says something within seconds; a first start includes a proxy and a sandbox. */
const WAIT_MILLISECONDS = 60_000;

/**
 * Waits, by what the room of another machine says, until a principal runs there under this generation. Throws what `judgeGoal` throws, and
 * `deadline_exceeded` when it is still on its way, or the machine is away.
 */
export async function waitElsewhere(
  { client, machine }: Operator,
  principal: PrincipalName,
  generation: number,
  { clock, signal }: OperationContext,
): Promise<PrincipalStatus> {
  const until = clock.monotonic() + WAIT_MILLISECONDS;
  for (;;) {
    const state = await client.allState(machine.configRoom, { signal });
    // Nobody else's word counts.
    const said = state.find(
      ({ type, state_key: key, sender }) => type === PRINCIPAL_STATUS.type && key === principal && sender === machine.userId,
    );
    const reading = said === undefined ? undefined : readEvent(PRINCIPAL_STATUS, said.content);
    const status = reading?.ok === true ? reading.content : undefined;
    const goal = { state: 'running', generation, patience: 'first start' } as const;
    if (judgeGoal(principal, status, goal, clock.now()) === 'reached' && status !== undefined) return withoutVersion(status);
    if (clock.monotonic() > until)
      throw new BureauError(
        'deadline_exceeded',
        `"${principal}" is assigned to ${machine.machine} and does not run there after ${WAIT_MILLISECONDS / 1_000} s (${status === undefined ? 'the machine says nothing of it' : `it is "${status.state}"`}); see "bureau machine show ${machine.machine}"`,
        { data: { principal, machine: machine.machine } },
      );
    await sleep(clock, LOOK_MILLISECONDS, signal);
  }
}

function withoutVersion({ v: _v, ...status }: PrincipalStatus & { readonly v: number }): PrincipalStatus {
  return status;
}
