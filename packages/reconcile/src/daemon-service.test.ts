// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallContext } from '@bureau/ipc';
import type { PrincipalStatus } from '@bureau/protocol';
import { daemonHandlers, type DaemonServiceDeps } from './daemon-service.ts';
import { StatusWatch } from './status-watch.ts';
import { HandClock, PRINCIPAL } from './testing/reconcile-fixture.ts';

const RUNNING: PrincipalStatus = { principal: PRINCIPAL, state: 'running', restarts: 0 };

/** What `wait` uses of the daemon, and nothing else. */
function waiting(): {
  wait: (state: 'running' | 'exited' | 'absent', milliseconds: number) => Promise<unknown>;
  statuses: StatusWatch;
  clock: HandClock;
  leave: () => void;
} {
  const [statuses, clock, gone] = [new StatusWatch(), new HandClock(), new AbortController()];
  const handlers = daemonHandlers({ statuses, clock } as unknown as DaemonServiceDeps);
  const context = { signal: gone.signal } as unknown as CallContext;
  return {
    statuses,
    clock,
    leave: () => gone.abort(),
    wait: async (state, milliseconds) => handlers.wait({ principal: PRINCIPAL, state, milliseconds }, context),
  };
}

test('daemon wait answers at once, or at the change that was waited for', async () => {
  const { wait, statuses, clock } = waiting();
  assert.deepEqual(await wait('absent', 0), { status: null });
  const answer = wait('running', 1_000);
  statuses.update([{ ...RUNNING, state: 'pending' }]);
  statuses.update([RUNNING]);
  assert.deepEqual(await answer, { status: RUNNING });
  assert.equal(clock.pending, 0);
});

test('daemon wait ends at its deadline', async () => {
  const { wait, clock } = waiting();
  const answer = assert.rejects(wait('running', 1_000), { code: 'deadline_exceeded', message: /it is "absent"/ });
  clock.advance(1_000);
  await answer;
  assert.equal(clock.pending, 0);
});

test('daemon wait ends when the one who waits has gone, and leaves no timer', async () => {
  const { wait, clock, leave } = waiting();
  const answer = assert.rejects(wait('running', 3_600_000));
  leave();
  await answer;
  assert.equal(clock.pending, 0);
});
