// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError, sleep, type Clock } from '@bureau/core';
import { PROBE_DEADLINE_MS, READY_DEADLINE_MS, READY_POLL_MS } from './limits.ts';
import { ask } from './request.ts';

export interface ReadyOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly deadlineMilliseconds?: number;
  /** Abort when the homeserver's process has ended: waiting longer is of no use. */
  readonly signal?: AbortSignal;
}

/**
 * Resolves with the milliseconds waited once `GET /_matrix/client/versions` answers 200.
 * Rejects with `homeserver_not_ready` at the deadline (with the last fault) or with the signal's reason.
 */
export async function waitForHomeserver(options: ReadyOptions): Promise<number> {
  const { url, clock, signal } = options;
  const started = clock.monotonic();
  const deadline = options.deadlineMilliseconds ?? READY_DEADLINE_MS;
  let last = 'no answer yet';
  for (;;) {
    signal?.throwIfAborted();
    const left = deadline - (clock.monotonic() - started);
    if (left <= 0) {
      throw new BureauError(
        'homeserver_not_ready',
        `Expected the homeserver at ${url} to answer within ${deadline} ms (${last}); look into its log for the reason`,
        { data: { url, deadline } },
      );
    }
    try {
      const answer = await ask(url, {
        method: 'GET',
        path: '/_matrix/client/versions',
        deadlineMilliseconds: Math.min(left, PROBE_DEADLINE_MS),
        signal,
      });
      if (answer.status === 200 && Array.isArray(answer.body['versions'])) return clock.monotonic() - started;
      last = `it answered ${answer.status}, which is not a Matrix server's answer`;
    } catch (error) {
      signal?.throwIfAborted();
      last = describeError(error);
    }
    await sleep(clock, READY_POLL_MS, signal);
  }
}
