// SPDX-License-Identifier: Apache-2.0
import type { Link } from './link.ts';
import type { ServerCall } from './server-call.ts';

/**
 * Pulls a handler's generator as long as the client grants credit and reads, and sends each chunk. Resolves with the generator's return
 * value, rejects with what it throws. When the call is aborted, the generator is returned, so that its `finally` runs; the promise
 * settles when it has.
 */
export async function runStream(call: ServerCall, generator: AsyncGenerator<unknown, unknown, undefined>, link: Link): Promise<unknown> {
  try {
    for (;;) {
      if (!call.hasCredit) await call.whenCredit();
      if (link.backlogged) await link.whenWritable();
      if (call.aborted) return undefined;
      const step = await generator.next();
      if (step.done === true || call.aborted) return step.value;
      link.send({ type: 'chunk', id: call.id, chunk: step.value });
      call.spend();
    }
  } finally {
    // Ends a generator that still stands at a yield; nothing happens to one that has ended.
    await generator.return(undefined);
  }
}
