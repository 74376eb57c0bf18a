// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError } from '@bureau/core';
import { plannedAction, principalStatus } from '@bureau/protocol';
import * as v from 'valibot';
import { ACTION_RETRY_MILLISECONDS, EXECUTORS_MAX, NOTICE_PAUSE_MILLISECONDS } from './limits.ts';
import { PRINCIPAL, bench, connected, sandbox, settle, until, wanting } from './testing/reconcile-fixture.ts';

const NOTHING = { assignments: [], credentials: [], templates: [] };

test('Reconciler creates once, although the watch has not told the new sandbox yet', async (context) => {
  const made = await bench(context);
  made.facts = wanting();
  await connected(made);
  await until(() => made.asked.length > 0);
  await settle(made.link);
  assert.equal(made.asked.length, 1);
  assert.equal(made.reconciler.statuses[0]?.state, 'starting');
  assert.deepEqual(made.reconciler.preview(), []);
});

test('Reconciler tries a create that failed again by its own timer, and not before', async (context) => {
  const made = await bench(context);
  made.facts = wanting();
  made.refuse = () => {
    throw new BureauError('start_failed', 'no: \u001b]52;c;eA==\u0007'.repeat(200));
  };
  await connected(made);
  await until(() => made.reconciler.statuses[0]?.state === 'blocked');
  await settle(made.link);
  assert.equal(made.asked.length, 1);
  const [status] = made.reconciler.statuses;
  assert.ok(v.is(principalStatus, status), 'the message fits a status');
  for (const action of made.reconciler.preview()) assert.ok(v.is(plannedAction, action));
  made.clock.advance(ACTION_RETRY_MILLISECONDS - 1);
  await settle(made.link);
  assert.equal(made.asked.length, 1);
  made.refuse = () => undefined;
  made.clock.advance(1);
  await until(() => made.reconciler.statuses[0]?.state === 'starting');
  assert.equal(made.asked.length, 2);
});

for (const [what, state] of [
  ['destroy', 'running'],
  ['forget', 'exited'],
] as const) {
  test(`Reconciler tries a ${what} that failed again after a pause, not in a tight loop`, async (context) => {
    const made = await bench(context);
    made.facts = NOTHING;
    made.sandboxes = [sandbox('old-0', state)];
    made.refuse = () => {
      throw new BureauError('group_unkillable', 'it will not end');
    };
    await connected(made);
    await until(() => made.asked.length > 0);
    await settle(made.link);
    assert.deepEqual(made.asked, [`${what} old-0`]);
    made.clock.advance(ACTION_RETRY_MILLISECONDS);
    await until(() => made.asked.length === 2);
  });

  test(`Reconciler drops from its picture what the launcher does not know at ${what}`, async (context) => {
    const made = await bench(context);
    made.facts = NOTHING;
    made.sandboxes = [sandbox('old-0', state)];
    made.refuse = () => {
      throw new BureauError('not_found', 'gone');
    };
    await connected(made);
    await until(() => made.link.observed?.length === 0);
    await settle(made.link);
    assert.deepEqual(made.asked, [`${what} old-0`]);
  });
}

for (const [code, again] of [
  ['bundle_expired', false],
  ['connection_refused', true],
] as const) {
  test(`Reconciler ${again ? 'tries' : 'does not try'} a rotation again that failed with ${code}`, async (context) => {
    const made = await bench(context);
    made.facts = wanting();
    await connected(made);
    await until(() => made.reconciler.statuses[0]?.state === 'starting');
    made.asked.length = 0;
    made.refuse = () => {
      throw new BureauError(code, 'no');
    };
    made.facts = {
      ...wanting(),
      credentials: [{ stateKey: PRINCIPAL, eventId: '$c', content: { v: 1, principal: PRINCIPAL, bundle: 'AAAA' } }],
    };
    made.reconciler.poke();
    await until(() => made.asked.length > 0);
    await settle(made.link);
    made.clock.advance(ACTION_RETRY_MILLISECONDS);
    await settle(made.link);
    assert.deepEqual(made.asked, again ? ['rotate', 'rotate'] : ['rotate']);
  });
}

test('Reconciler goes on after a round that throws', async (context) => {
  const made = await bench(context);
  made.facts = wanting();
  Object.defineProperty(made.facts, 'credentials', {
    configurable: true,
    get() {
      throw new Error('what nobody foresaw');
    },
  });
  await connected(made);
  await settle(made.link);
  assert.equal(made.asked.length, 0);
  made.facts = wanting();
  made.clock.advance(ACTION_RETRY_MILLISECONDS);
  await until(() => made.asked.length === 1);
});

test('Reconciler keeps the status readable whatever a room says', async (context) => {
  const made = await bench(context);
  made.facts = wanting({ template: '\u001b[2J\r'.repeat(1_000) });
  await connected(made);
  await until(() => made.reconciler.statuses.length > 0);
  assert.ok(v.is(principalStatus, made.reconciler.statuses[0]));
  assert.ok(made.reconciler.preview().every((action) => v.is(plannedAction, action)));
});

test('Reconciler ends nothing that the rooms want after all, once they were asked again', async (context) => {
  const made = await bench(context);
  made.facts = NOTHING;
  made.sandboxes = [sandbox('old-0', 'running')];
  let asked = 0;
  made.confirm = async () => {
    asked += 1;
    if (asked === 1) made.facts = { ...wanting({ template: 'nowhere' }) };
  };
  await connected(made);
  await until(() => made.reconciler.statuses[0]?.message !== undefined);
  await settle(made.link);
  assert.deepEqual([asked, made.asked], [1, []]);
  made.facts = NOTHING;
  made.reconciler.poke();
  await until(() => made.asked.length > 0);
  assert.deepEqual([asked, made.asked], [2, ['destroy old-0']], 'what they still do not want is ended');
});

test('Reconciler ends nothing because of state while the rooms cannot be asked, and tries again', async (context) => {
  const made = await bench(context);
  made.facts = NOTHING;
  made.sandboxes = [sandbox('old-0', 'running')];
  made.confirm = () => Promise.reject(new BureauError('homeserver_unreachable', 'not there'));
  await connected(made);
  await until(() => made.clock.pending > 0);
  await settle(made.link);
  assert.deepEqual(made.asked, []);
  made.confirm = () => Promise.resolve();
  made.clock.advance(ACTION_RETRY_MILLISECONDS);
  await until(() => made.asked.length > 0);
  assert.deepEqual(made.asked, ['destroy old-0']);
});

test('Reconciler ends a run whose command line is gone without asking the rooms', async (context) => {
  const made = await bench(context);
  made.facts = wanting({ run: { id: 'abcdefgh', terminal: false } });
  made.sandboxes = [sandbox('old-0', 'running')];
  made.confirm = () => Promise.reject(new BureauError('homeserver_unreachable', 'not there'));
  await connected(made);
  await until(() => made.asked.length > 0);
  assert.deepEqual(made.asked, ['destroy old-0']);
});

test('Reconciler cancels the making of a sandbox that nobody wants any more, and begins what is wanted instead', async (context) => {
  const made = await bench(context);
  made.facts = wanting();
  made.stall = true;
  await connected(made);
  await until(() => made.asked.length === 1);
  made.facts = wanting({ generation: 1 });
  made.stall = false;
  made.reconciler.poke();
  await until(() => made.asked.length === 3);
  assert.match(made.asked.join(), /^create [0-9a-f]+-g0-0,cancelled [0-9a-f]+-g0-0,create [0-9a-f]+-g1-0$/);
  await until(() => made.reconciler.statuses[0]?.state === 'starting');
});

test('Reconciler does not cancel for what holds a start back: a cordon or a wrong edit', async (context) => {
  const made = await bench(context);
  made.facts = wanting();
  made.stall = true;
  await connected(made);
  await until(() => made.asked.length === 1);
  made.facts = wanting({ restart: 'sometimes' });
  made.reconciler.poke();
  await settle(made.link);
  assert.equal(made.asked.length, 1);
});

test('Reconciler carries out a bounded number of actions at a time, and all of them in the end', async (context) => {
  const made = await bench(context);
  const count = EXECUTORS_MAX + 5;
  made.facts = {
    ...wanting(),
    assignments: Array.from({ length: count }, (_, at) => ({
      stateKey: `team/a${at}`,
      eventId: `$${at}`,
      content: { v: 1, principal: `team/a${at}`, command: ['true'] },
    })),
  };
  made.stall = true;
  await connected(made);
  await until(() => made.asked.length >= EXECUTORS_MAX);
  await settle(made.link);
  assert.equal(made.asked.length, EXECUTORS_MAX);
  made.release();
  await until(() => made.asked.length === count);
});

test('Reconciler does not start what runs once when that cannot be written down, and takes the mark back when it was refused', async (context) => {
  const made = await bench(context);
  made.facts = wanting({ restart: 'never' });
  made.diskFull = true;
  await connected(made);
  await until(() => made.reconciler.statuses[0]?.state === 'blocked');
  assert.equal(made.asked.length, 0);
  made.diskFull = false;
  made.refuse = () => {
    throw new BureauError('spec_refused', 'no');
  };
  made.clock.advance(ACTION_RETRY_MILLISECONDS);
  await until(() => made.asked.length === 1);
  await settle(made.link);
  made.refuse = () => undefined;
  made.clock.advance(2 * ACTION_RETRY_MILLISECONDS);
  await until(() => made.asked.length === 2);
  assert.equal(made.kept.get(PRINCIPAL)?.kept?.started, made.asked[1]?.replace('create ', ''));
});

test('Reconciler marks what has ended for good and was taken away, once the rooms have confirmed it', async (context) => {
  const made = await bench(context);
  made.facts = wanting({ restart: 'never' });
  await connected(made);
  await until(() => made.kept.get(PRINCIPAL)?.kept?.started !== undefined);
  await until(() => made.reconciler.statuses[0]?.state === 'starting');
  made.confirm = () => Promise.reject(new BureauError('homeserver_unreachable', 'not there'));
  made.facts = NOTHING;
  made.link.drop(PRINCIPAL);
  made.reconciler.poke();
  await settle(made.link);
  assert.equal(made.kept.get(PRINCIPAL)?.kept?.removed, undefined);
  made.confirm = () => Promise.resolve();
  made.reconciler.poke();
  await until(() => made.kept.get(PRINCIPAL)?.kept?.removed === '$a');
});

test('Reconciler tells a mistake in the room once', async (context) => {
  const made = await bench(context);
  made.facts = wanting({ template: 'defualt' });
  await connected(made);
  for (let round = 0; round < 4; round += 1) {
    made.clock.advance(NOTICE_PAUSE_MILLISECONDS);
    made.reconciler.poke();
    await settle(made.link);
  }
  assert.equal(made.told.length, 1);
  assert.match(made.told[0] ?? '', /iree\/pm is blocked: there is no template "defualt"/);
});
