// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import type { PrincipalName } from '@bureau/core';
import type { FakeHomeserver } from './fake-homeserver.ts';
import type { FakeMachine } from './fake-machine.ts';
import type { Judge } from './judge.ts';
import type { Operators } from './operators.ts';
import type { SimulatedTime } from './simulated-time.ts';

/** What it is judged by. */
export interface EndJudgement {
  readonly time: SimulatedTime;
  readonly judge: Judge;
  readonly machine: FakeMachine;
  readonly operators: Operators;
  readonly server: FakeHomeserver;
}

/** Milliseconds that an edit takes at most until whoever follows it has read, confirmed and asked. */
const SETTLED = 5_000;

/** Judges an order to end a sandbox: for long nobody has wanted anything but what runs there. */
export function judgeEnd({ judge, machine, operators, server, time }: EndJudgement, principal: PrincipalName, id: string): void {
  const wish = operators.wish(principal);
  const payload = machine.of(principal);
  if (operators.haltOf(principal) === wish?.generation) return;
  if (wish === undefined || payload?.id !== id || wish.desired === 'stopped' || wish.update === 'guarded' || operators.rules.draining)
    return;
  // Its health check has failed, or was asked for when it did.
  if (machine.isWell(principal, id) === false) return;
  const isWanted =
    isDeepStrictEqual(payload.spec.command, wish.command) && isDeepStrictEqual(payload.spec.environment, operators.environmentOf(wish));
  const edited = server.events.findLast(
    ({ type, stateKey }) => type === 'templates' || type === 'machine' || (type === 'assignments' && stateKey === principal),
  );
  if (isWanted && edited !== undefined && time.now - edited.at > SETTLED)
    judge.violated('ends only what is not wanted', `${id} of ${principal} is ended, and has been what is wanted since ${edited.at} ms`);
}
