// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { CommandResult } from './command.ts';
import { AT_ONCE_MILLISECONDS, AT_ONCE_TIMES, AT_ONCE_TRIES } from './limits.ts';
import type { Stand } from './stand.ts';

/**
 * Runs a command that is to tell its outcome at once; returns what it said. Throws `not_at_once` when it took longer, each of
 * {@link AT_ONCE_TRIES} times: what waits for a time limit does so every time, what the machine was busy with does not. On a machine that
 * is slow or busy all the time, "at once" is so many times what a command takes there that asks nobody.
 */
export async function atOnce(stand: Pick<Stand, 'bureau'>, command: () => Promise<CommandResult>): Promise<CommandResult> {
  const first = await command();
  const took = [first.milliseconds];
  let limit = AT_ONCE_MILLISECONDS;
  while (Math.min(...took) >= limit && took.length < AT_ONCE_TRIES) {
    const calm = await stand.bureau(['--help']);
    limit = Math.max(limit, AT_ONCE_TIMES * calm.milliseconds);
    took.push((await command()).milliseconds);
  }
  if (Math.min(...took) < limit) return first;
  throw new BureauError(
    'not_at_once',
    `Expected an answer within ${Math.round(limit)} ms; it took ${took.map(Math.round).join(', ')} ms, and was: ${first.stderr}`,
  );
}
