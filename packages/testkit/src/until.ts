// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { LOOK_MILLISECONDS } from './limits.ts';

/**
 * Looks again and again until `look` answers with something that is not `undefined` or `false`, and returns that. For what sends no
 * event: processes, sockets, the state of another program. Throws `deadline_exceeded`, naming `what` was waited for.
 */
export async function until<Found>(
  what: string,
  milliseconds: number,
  look: () => Found | Promise<Found>,
): Promise<Exclude<Found, undefined | false>> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<Found, undefined | false>;
    if (performance.now() >= deadline) throw new BureauError('deadline_exceeded', `Expected within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
  }
}
