// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError, parsePrincipalName, type PrincipalName } from '@bureau/core';
import { EVENTS, readEvent, type PrincipalStatus } from '@bureau/protocol';
import { NOTICE_PAUSE_MILLISECONDS, STATUS_RETRY_MILLISECONDS } from './limits.ts';
import { MemoryKeeper } from './memory-keeper.ts';
import type { LastingMemory, MemoryStore } from './memory.ts';
import type { Notice } from './notice.ts';
import { Notifier, notificationOf, type Notification } from './notifier.ts';
import { HandClock, PRINCIPAL, silentLogger } from './testing/reconcile-fixture.ts';

const BLOCKED: Notice = { principal: PRINCIPAL, event: 'blocked', text: 'there is no template "x"', cause: '$a' };
const RUNNING: PrincipalStatus = { principal: PRINCIPAL, state: 'running', restarts: 0 };

function disk(): MemoryStore {
  const rows = new Map<PrincipalName, LastingMemory>();
  return {
    load: () => new Map(rows),
    save: (changes) =>
      changes.forEach((memory, principal) => (memory === undefined ? rows.delete(principal) : rows.set(principal, memory))),
  };
}

function notifier(store = disk()) {
  const clock = new HandClock();
  const sent: Notification[] = [];
  const memory = new MemoryKeeper(store);
  const made = { clock, sent, memory, store, refuse: undefined as Error | undefined };
  const self = new Notifier({
    clock,
    logger: silentLogger(),
    memory,
    send: async (notification) => {
      sent.push(notification);
      if (made.refuse !== undefined) throw made.refuse;
    },
    onTold: () => memory.flush(),
  });
  return Object.assign(made, { notifier: self });
}

async function pass(clock: HandClock, milliseconds: number): Promise<void> {
  clock.advance(milliseconds);
  await new Promise(setImmediate);
}

test('Notifier tells once, also over a restart, and anew when it was well between', async () => {
  const one = notifier();
  for (let round = 0; round < 3; round += 1) {
    one.notifier.update([BLOCKED], []);
    await pass(one.clock, NOTICE_PAUSE_MILLISECONDS);
  }
  assert.deepEqual(
    one.sent.map(({ content }) => content.body),
    ['iree/pm is blocked: there is no template "x"'],
  );
  const two = notifier(one.store);
  two.notifier.update([BLOCKED], []);
  await pass(two.clock, NOTICE_PAUSE_MILLISECONDS);
  assert.equal(two.sent.length, 0);
  two.notifier.update([], [RUNNING]);
  two.notifier.update([BLOCKED], []);
  await pass(two.clock, NOTICE_PAUSE_MILLISECONDS);
  assert.equal(two.sent.length, 1);
});

test('Notifier does not tell what passes, and tells of many with one fault in one message', async () => {
  const { notifier: made, clock, sent } = notifier();
  made.update([BLOCKED], []);
  await pass(clock, NOTICE_PAUSE_MILLISECONDS - 1);
  made.update([], []);
  await pass(clock, NOTICE_PAUSE_MILLISECONDS);
  assert.equal(sent.length, 0);
  made.update(
    Array.from({ length: 100 }, (_, at) => ({ ...BLOCKED, principal: parsePrincipalName(`team/a${at}`) })),
    [],
  );
  await pass(clock, NOTICE_PAUSE_MILLISECONDS);
  await pass(clock, NOTICE_PAUSE_MILLISECONDS);
  assert.equal(sent.length, 1);
  assert.match(sent[0]?.content.body ?? '', /^team\/a0, .* and 80 more are blocked: /);
});

test('Notifier tries again, as the same event', async () => {
  const made = notifier();
  made.refuse = new BureauError('homeserver_unreachable', 'no');
  made.notifier.update([BLOCKED], []);
  await pass(made.clock, NOTICE_PAUSE_MILLISECONDS);
  made.refuse = undefined;
  await pass(made.clock, STATUS_RETRY_MILLISECONDS);
  assert.equal(made.sent.length, 2);
  assert.equal(made.sent[0]?.key, made.sent[1]?.key);
  assert.notEqual(made.sent[0]?.key, notificationOf([{ ...BLOCKED, cause: '$b' }]).key);
});

test('notificationOf() makes what the schema of notifications takes', () => {
  const definition = EVENTS.find(({ type }) => type.endsWith('m.bureau.notification'));
  assert.ok(definition !== undefined);
  for (const event of ['blocked', 'quarantined'] as const) {
    const reading = readEvent(definition, notificationOf([{ ...BLOCKED, event, text: 'x'.repeat(1_000) }]).content);
    assert.ok(reading.ok, reading.ok ? '' : reading.message);
  }
});
