// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError, parsePrincipalName, parseUserId, type PrincipalName } from '@bureau/core';
import type { PrincipalState, PrincipalStatus } from '@bureau/protocol';
import {
  STATUS_BURST,
  STATUS_ECHO_MILLISECONDS,
  STATUS_LATEST_MILLISECONDS,
  STATUS_PER_SECOND,
  STATUS_RETRY_MILLISECONDS,
  STATUS_SETTLE_MILLISECONDS,
} from './limits.ts';
import { StatusPublisher, ownStatuses } from './status-publisher.ts';
import { HandClock, PRINCIPAL, silentLogger } from './testing/reconcile-fixture.ts';

const OTHER = parsePrincipalName('iree/other');

function status(state: PrincipalState, principal: PrincipalName = PRINCIPAL): PrincipalStatus {
  return { principal, state, restarts: 0 };
}

function publisher(published: Iterable<[PrincipalName, unknown]> = []) {
  const clock = new HandClock();
  const sent: string[] = [];
  const room = new Map(published);
  const made = {
    /** What the sync shows. */
    room,
    /** What a send waits for. */
    before: () => Promise.resolve(),
    clock,
    sent,
    refuse: undefined as BureauError | undefined,
    publisher: new StatusPublisher({
      clock,
      logger: silentLogger(),
      publish: async (principal, content) => {
        sent.push(`${principal} ${'state' in content ? content.state : 'nothing'}`);
        await made.before();
        if (made.refuse !== undefined) throw made.refuse;
        room.set(principal, content);
      },
      published: () => room,
    }),
  };
  return made;
}

/** Lets time pass in small steps, with a turn of the event loop after each. */
async function pass(clock: HandClock, milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= 100) {
    clock.advance(Math.min(100, left));
    await new Promise(setImmediate);
  }
}

test('StatusPublisher sends one event of what passes through three states', async () => {
  const { publisher: made, clock, sent } = publisher();
  for (const state of ['pending', 'starting', 'running'] as const) {
    made.report([status(state)]);
    await pass(clock, 300);
  }
  await pass(clock, STATUS_SETTLE_MILLISECONDS);
  made.report([status('running')]);
  await pass(clock, STATUS_SETTLE_MILLISECONDS);
  assert.deepEqual(sent, ['iree/pm running']);
  assert.equal(clock.pending, 0);
});

test('StatusPublisher sends what never comes to rest now and then', async () => {
  const { publisher: made, clock, sent } = publisher();
  for (let at = 0; at < STATUS_LATEST_MILLISECONDS + 1_000; at += 500) {
    made.report([{ ...status('running'), restarts: at }]);
    await pass(clock, 500);
  }
  assert.equal(sent.length, 1);
});

test('StatusPublisher: a hundred that start at once are a hundred events, spaced', async () => {
  const { publisher: made, clock, sent } = publisher();
  const all = Array.from({ length: 100 }, (_, at) => parsePrincipalName(`team/a${at}`));
  for (const state of ['pending', 'starting', 'running'] as const) {
    made.report(all.map((principal) => status(state, principal)));
    await pass(clock, 200);
  }
  await pass(clock, 5_000);
  assert.ok(sent.length >= STATUS_BURST && sent.length <= STATUS_BURST + 6 * STATUS_PER_SECOND, `${sent.length}`);
  await pass(clock, 60_000);
  assert.equal(sent.length, 100);
  assert.equal(new Set(sent).size, 100);
});

test('StatusPublisher of a new daemon sends what has changed and takes back what is no more', async () => {
  const known = { restarts: 0, v: 1, state: 'running', principal: PRINCIPAL };
  const {
    publisher: made,
    clock,
    sent,
  } = publisher([
    [PRINCIPAL, known],
    [OTHER, { ...known, principal: OTHER }],
  ]);
  made.report([status('running')]);
  await pass(clock, 2 * STATUS_SETTLE_MILLISECONDS);
  assert.deepEqual(sent, ['iree/other nothing']);
});

test('StatusPublisher tries the newest again, not earlier than it was asked to', async () => {
  const made = publisher();
  made.refuse = new BureauError('rate_limited', 'later', { data: { retryAfterMilliseconds: 2 * STATUS_RETRY_MILLISECONDS } });
  made.publisher.report([status('running')]);
  await pass(made.clock, STATUS_SETTLE_MILLISECONDS);
  made.publisher.report([status('stopped')]);
  made.refuse = undefined;
  await pass(made.clock, 2 * STATUS_RETRY_MILLISECONDS - 200);
  assert.deepEqual(made.sent, ['iree/pm running']);
  await pass(made.clock, 1_000);
  assert.deepEqual(made.sent, ['iree/pm running', 'iree/pm stopped']);
});

test('StatusPublisher takes back what it was sending when that was no more so', async () => {
  const made = publisher();
  made.publisher.report([status('running')]);
  await pass(made.clock, STATUS_SETTLE_MILLISECONDS);
  made.publisher.report([status('blocked')]);
  made.clock.advance(STATUS_SETTLE_MILLISECONDS);
  made.publisher.report([status('running')]);
  await pass(made.clock, 2 * STATUS_SETTLE_MILLISECONDS);
  assert.deepEqual(made.sent, ['iree/pm running', 'iree/pm blocked', 'iree/pm running']);
});

test('StatusPublisher says again what it said before, when something else was on its way meanwhile', async () => {
  const made = publisher();
  made.publisher.report([status('running')]);
  await pass(made.clock, STATUS_SETTLE_MILLISECONDS);
  const { promise, resolve } = Promise.withResolvers<void>();
  made.before = () => promise;
  made.publisher.report([status('stopped')]);
  await pass(made.clock, STATUS_SETTLE_MILLISECONDS);
  made.publisher.report([status('running')]);
  resolve();
  await pass(made.clock, 2 * STATUS_SETTLE_MILLISECONDS);
  assert.deepEqual(made.sent, ['iree/pm running', 'iree/pm stopped', 'iree/pm running']);
});

test('StatusPublisher believes what the room shows later, not its first view of it', async () => {
  const made = publisher([[PRINCIPAL, { v: 1, ...status('running') }]]);
  made.publisher.report([status('running')]);
  await pass(made.clock, STATUS_SETTLE_MILLISECONDS);
  assert.deepEqual(made.sent, []);
  // The last word of the daemon before: its view was older than that.
  made.room.set(PRINCIPAL, { v: 1, ...status('stopping') });
  made.publisher.report([status('running')]);
  await pass(made.clock, STATUS_SETTLE_MILLISECONDS);
  assert.deepEqual(made.sent, ['iree/pm running']);
});

test('StatusPublisher sends once more what the room does not show', async () => {
  const made = publisher();
  made.publisher.report([status('running')]);
  await pass(made.clock, STATUS_SETTLE_MILLISECONDS);
  made.room.set(PRINCIPAL, { v: 1, ...status('stopping') });
  made.publisher.report([status('running')]);
  await pass(made.clock, STATUS_SETTLE_MILLISECONDS);
  assert.deepEqual(made.sent, ['iree/pm running'], 'the sync may be late');
  await pass(made.clock, STATUS_ECHO_MILLISECONDS + 2 * STATUS_SETTLE_MILLISECONDS);
  assert.deepEqual(made.sent, ['iree/pm running', 'iree/pm running']);
});

test('ownStatuses() takes the machine’s own words only', () => {
  const machine = parseUserId('@machine/one:bureau.test');
  const word = { stateKey: PRINCIPAL, sender: machine, content: { v: 1 } };
  const found = ownStatuses(
    [
      word,
      { ...word, stateKey: OTHER, sender: '@eve:bureau.test' },
      { ...word, stateKey: '../x' },
      { ...word, stateKey: 'a/b', content: {} },
    ],
    machine,
  );
  assert.deepEqual([...found.keys()], [PRINCIPAL]);
});
