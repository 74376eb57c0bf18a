// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { PRINCIPAL, bench, connected, sandbox, settle, until, wanting } from './testing/reconcile-fixture.ts';

const BY = '@operator:server';

test('Reconciler.halt() ends what runs and starts nothing, until resume() or a new generation', async (context) => {
  const made = await bench(context);
  made.facts = wanting();
  await connected(made);
  await until(() => made.asked.length > 0);
  const [created = ''] = made.asked;
  assert.equal(made.reconciler.halt(PRINCIPAL, BY), 0);
  assert.deepEqual(made.kept.get(PRINCIPAL)?.kept?.halted, { generation: 0, by: BY, at: made.clock.now() }, 'on disk when it returns');
  await until(() => made.asked.some((what) => what.startsWith('destroy')));
  assert.equal(made.reconciler.statuses[0]?.state, 'stopping');

  made.link.drop(PRINCIPAL);
  made.reconciler.poke();
  await until(() => made.reconciler.statuses[0]?.state === 'stopped');
  assert.match(made.reconciler.statuses[0]?.message ?? '', /stopped by a command of @operator:server/);
  const asked = made.asked.length;
  made.reconciler.resume(PRINCIPAL);
  await until(() => made.asked.length > asked);
  assert.equal(made.asked.at(-1), created, 'it is made again');
  assert.throws(() => made.reconciler.resume(PRINCIPAL), { code: 'not_halted' });

  made.reconciler.halt(PRINCIPAL, BY);
  await until(() => made.asked.filter((what) => what.startsWith('destroy')).length === 2);
  made.link.drop(PRINCIPAL);
  made.facts = wanting({ generation: 1 });
  made.reconciler.poke();
  await until(() => made.asked.at(-1)?.startsWith('create') === true && made.asked.at(-1) !== created);
});

test('Reconciler.halt() is refused for what is not assigned, and for a run; a full disk refuses it too, and nothing is ended', async (context) => {
  const made = await bench(context);
  made.facts = wanting();
  await connected(made);
  await until(() => made.asked.length > 0);
  assert.throws(() => made.reconciler.halt(parsePrincipalName('iree/nobody'), BY), { code: 'not_found' });
  made.diskFull = true;
  assert.throws(() => made.reconciler.halt(PRINCIPAL, BY), { code: 'disk_full' });
  await settle(made.link);
  assert.ok(!made.asked.some((what) => what.startsWith('destroy')));
  made.facts = wanting({ run: { id: 'abcdefgh', terminal: false } });
  assert.throws(() => made.reconciler.halt(PRINCIPAL, BY), { code: 'not_found' });
});

test('Reconciler asks who has a health check, writes down that it is unhealthy, and ends it; a full disk keeps it from that', async (context) => {
  const made = await bench(context);
  const healthCheck = { type: 'socket', endpoint: '/tmp/h', failureThreshold: 2, gracePeriodSeconds: 0, intervalSeconds: 1 };
  made.facts = wanting({ healthCheck });
  await connected(made);
  await until(() => made.asked.length > 0);
  const id = (made.asked[0] ?? '').replace('create ', '');
  await settle(made.link);
  const answers: string[] = [];
  made.probe = async (subject) => {
    answers.push(subject.id);
    return { healthy: answers.length === 1 };
  };
  made.link.drop(PRINCIPAL);
  made.link.note(sandbox(id, 'running', PRINCIPAL));
  const turn = async (): Promise<void> => {
    made.reconciler.poke();
    await settle(made.link);
    made.clock.advance(1_000);
    await settle(made.link);
  };
  await turn();
  assert.deepEqual([answers, made.reconciler.statuses[0]?.health], [[id], 'healthy']);
  made.diskFull = true;
  for (let round = 0; round < 3; round += 1) await turn();
  assert.deepEqual([made.reconciler.statuses[0]?.health, answers.length], ['unhealthy', 3]);
  assert.ok(!made.asked.some((what) => what.startsWith('destroy')), 'what is not written down is not ended');
  made.diskFull = false;
  for (let round = 0; round < 8; round += 1) await turn();
  assert.equal(made.kept.get(PRINCIPAL)?.kept?.unhealthy?.id, id);
  assert.ok(made.asked.includes(`destroy ${id}`));
});
