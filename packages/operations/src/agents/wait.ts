// SPDX-License-Identifier: Apache-2.0
import { BureauError, sleep, type PrincipalName } from '@bureau/core';
import type { PrincipalStatus } from '@bureau/protocol';
import type { DaemonClient } from '../daemon-client.ts';
import type { OperationContext } from '../registry/context.ts';

/** A deployed agent that does not run by then is reported as it is: a first start includes a proxy and a sandbox. */
const DEPLOY_WAIT_MILLISECONDS = 30_000;
/** Between two looks at a status that another event must change first. */
const LOOK_MILLISECONDS = 50;

/**
 * Waits until the principal runs under this generation of its assignment. Throws `blocked` with the machine's own words when it
 * cannot, `payload_ended` when its first start ended at once, `deadline_exceeded` when it is still on its way.
 */
export async function waitRunning(
  daemon: DaemonClient,
  principal: PrincipalName,
  generation: number,
  context: OperationContext,
  patience: 'first start' | 'any start' = 'first start',
): Promise<PrincipalStatus> {
  const until = context.clock.monotonic() + DEPLOY_WAIT_MILLISECONDS;
  for (;;) {
    const status = await statusOf(daemon, principal);
    if (status?.generation === generation) {
      if (status.state === 'running') return status;
      // What the machine itself tries again may still come; what an earlier start ended with says nothing of the next.
      if (status.state === 'blocked' && status.retryAt === undefined)
        throw new BureauError('blocked', `"${principal}" cannot run: ${status.message ?? 'no reason given'}`, { data: { principal } });
      if (patience === 'first start' && (status.state === 'backing_off' || status.state === 'exited')) {
        const { code, reason } = status.exit ?? { code: null, reason: undefined };
        throw new BureauError(
          'payload_ended',
          `"${principal}" started and ended at once (${reason ?? `exit code ${code}`}); see "bureau agent logs ${principal}"`,
          { data: { principal } },
        );
      }
    }
    if (context.clock.monotonic() >= until) {
      throw new BureauError(
        'deadline_exceeded',
        `"${principal}" does not run after ${DEPLOY_WAIT_MILLISECONDS / 1_000} s; it is "${status?.state ?? 'unknown'}"${status?.message === undefined ? '' : `: ${status.message}`}`,
        { data: { principal } },
      );
    }
    await sleep(context.clock, LOOK_MILLISECONDS, context.signal);
  }
}

/** What the machine says of the principal now. */
async function statusOf(daemon: DaemonClient, principal: PrincipalName): Promise<PrincipalStatus | undefined> {
  const { status } = await daemon.call('status', {});
  return status.principals.find((each) => each.principal === principal);
}
