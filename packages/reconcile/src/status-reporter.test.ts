// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError } from '@bureau/core';
import { STATUS_PAUSE_MILLISECONDS, STATUS_RETRY_MILLISECONDS } from './limits.ts';
import { StatusReporter } from './status-reporter.ts';
import { HandClock, silentLogger } from './testing/reconcile-fixture.ts';

type Content = { readonly at: number };

function reporter(publish: (content: Content) => Promise<void>): { reporter: StatusReporter<Content>; clock: HandClock } {
  const clock = new HandClock();
  return { clock, reporter: new StatusReporter<Content>({ clock, logger: silentLogger(), publish }) };
}

const turn = (): Promise<void> => new Promise(setImmediate);

test('StatusReporter makes one event of a burst, none of the same content', async () => {
  const sent: number[] = [];
  const { reporter: made, clock } = reporter(async ({ at }) => void sent.push(at));
  for (const at of [1, 2, 3, 3]) made.report({ at });
  clock.advance(STATUS_PAUSE_MILLISECONDS);
  await turn();
  made.report({ at: 3 });
  clock.advance(STATUS_PAUSE_MILLISECONDS);
  await turn();
  assert.deepEqual(sent, [3]);
  assert.equal(clock.pending, 0);
});

test('StatusReporter sends what changed while it was sending, one after the other', async () => {
  const sent: number[] = [];
  const gates: (() => void)[] = [];
  const { reporter: made, clock } = reporter(({ at }) => {
    sent.push(at);
    return new Promise((resolve) => gates.push(resolve));
  });
  made.report({ at: 1 });
  clock.advance(STATUS_PAUSE_MILLISECONDS);
  made.report({ at: 2 });
  made.report({ at: 3 });
  clock.advance(10 * STATUS_PAUSE_MILLISECONDS);
  assert.deepEqual(sent, [1]);
  gates[0]?.();
  await turn();
  clock.advance(STATUS_PAUSE_MILLISECONDS);
  assert.deepEqual(sent, [1, 3]);
});

test('StatusReporter tries the newest again, not earlier than it was asked to', async () => {
  const sent: number[] = [];
  let fails = true;
  const { reporter: made, clock } = reporter(async ({ at }) => {
    sent.push(at);
    if (fails) throw new BureauError('rate_limited', 'later', { data: { retryAfterMilliseconds: 2 * STATUS_RETRY_MILLISECONDS } });
  });
  made.report({ at: 1 });
  clock.advance(STATUS_PAUSE_MILLISECONDS);
  await turn();
  made.report({ at: 2 });
  clock.advance(2 * STATUS_RETRY_MILLISECONDS - 1);
  await turn();
  assert.deepEqual(sent, [1]);
  fails = false;
  clock.advance(1);
  await turn();
  assert.deepEqual(sent, [1, 2]);
  assert.equal(clock.pending, 0);
});

test('StatusReporter says again what it said before, when nobody knows whether the homeserver has taken something else meanwhile', async () => {
  const sent: number[] = [];
  let isLost = false;
  const { reporter: made, clock } = reporter(async ({ at }) => {
    sent.push(at);
    if (isLost) throw new BureauError('homeserver_unreachable', 'its answer was lost');
  });
  made.report({ at: 1 });
  clock.advance(STATUS_PAUSE_MILLISECONDS);
  await turn();
  isLost = true;
  made.report({ at: 2 });
  clock.advance(STATUS_PAUSE_MILLISECONDS);
  await turn();
  isLost = false;
  made.report({ at: 1 });
  clock.advance(STATUS_RETRY_MILLISECONDS);
  await turn();
  assert.deepEqual(sent, [1, 2, 1]);
});
