// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { speakAs, startStand, until, type PeerStep, type Stand } from '@bureau/testkit';
import { inUrl, loginAs, operatorOf, pinnedOf, register, type Person, type Pinned } from './people.testing.ts';
import { daemonLog, principalOf, runs, sandboxes } from './stand.testing.ts';

const WAIT_MILLISECONDS = 30_000;
const [KEPT, CONTROL] = ['forge/kept', 'forge/control'];
/** Argument of what an attacker would have run; nothing of ours sleeps so long. */
const FORGED = '424242';

let stand: Stand;
let pinned: Pinned;
let operator: Person;
/** The agent whose account attacks. */
let agent: Person;
/** Somebody whom an operator let look on. */
let observer: Person;

before(async () => {
  stand = await startStand({ demo: false });
  pinned = pinnedOf(stand);
  operator = operatorOf(stand);
  for (const name of [KEPT, CONTROL]) {
    const { code, stderr } = await stand.bureau(['agent', 'deploy', name, '--', 'sleep', '1000']);
    assert.equal(code, 0, stderr);
  }
  agent = await loginAs(stand, `@${KEPT}:${stand.facts.server_name}`);
  observer = await register(stand, 'observer');
  for (const room of [pinned.configRoom, pinned.templateRoom]) {
    assert.equal((await operator.call(`/rooms/${inUrl(room)}/invite`, 'POST', { user_id: observer.user })).status, 200);
    assert.equal((await observer.call(`/join/${inUrl(room)}`, 'POST', {})).status, 200);
  }
});
after(async () => await stand.end());

function assignment(principal: string, more: object = {}): object {
  return { v: 1, principal, command: ['sleep', FORGED], ...more };
}

/** An operator's change is done: by then the machine has looked at whatever was written before it. */
async function operatorsChangeWorks(): Promise<void> {
  const { code, stderr } = await stand.bureau(['agent', 'restart', CONTROL]);
  assert.equal(code, 0, stderr);
  await until(`${CONTROL} runs`, WAIT_MILLISECONDS, async () => (await principalOf(stand, CONTROL))?.state === 'running');
}

type Forgery = readonly [what: string, room: (rooms: Pinned) => string, type: string, key: string, content: object];
const forgeries: readonly [Forgery, ...Forgery[]] = [
  ['an assignment', (rooms) => rooms.configRoom, 'm.bureau.assignment', 'forge/mallory', assignment('forge/mallory')],
  ['the assignment of another', (rooms) => rooms.configRoom, 'm.bureau.assignment', KEPT, assignment(KEPT)],
  ['an end of another', (rooms) => rooms.configRoom, 'm.bureau.assignment', KEPT, {}],
  ['credentials', (rooms) => rooms.configRoom, 'm.bureau.credentials', KEPT, { v: 1, principal: KEPT, bundle: 'AAAA' }],
  ['a template', (rooms) => rooms.templateRoom, 'm.bureau.template', 'default', { v: 1, description: 'x', command: ['sleep', FORGED] }],
  ['a machine status', (rooms) => rooms.configRoom, 'm.bureau.machine_status', 'x', { v: 1 }],
  ['power levels', (rooms) => rooms.configRoom, 'm.room.power_levels', '', { users_default: 100 }],
  ['what the machine is told to be', (rooms) => rooms.configRoom, 'm.bureau.machine_config', '', { v: 1, cordoned: true }],
  ['grants for all', (rooms) => rooms.configRoom, 'm.bureau.authorization', '', { v: 1, grants: [{ actions: ['**'] }] }],
];

describe('whom the room does not let write', () => {
  for (const [who, person, isMember] of [
    ['an agent by its own account', () => agent, false],
    ['a member without power', () => observer, true],
  ] as const)
    test(`${who} forges nothing; an operator writes the same (positive control)`, async () => {
      if (isMember) assert.equal((await person().call(`/rooms/${inUrl(pinned.configRoom)}/state`)).status, 200, 'it is in the room');
      await stand.leaks.atRest();
      const before = sandboxes(stand);
      for (const [what, room, type, key, content] of forgeries)
        assert.equal(await person().putState(room(pinned), type, key, content), 403, what);
      // Under its own name, and under the machine's.
      for (const key of [person().user, pinned.userId])
        assert.equal(await person().putState(pinned.configRoom, 'm.bureau.machine_status', key, { v: 1 }), 403);
      const [target] = (await operator.call(`/rooms/${inUrl(pinned.configRoom)}/state`)).body as unknown as { event_id: string }[];
      const redaction = `/rooms/${inUrl(pinned.configRoom)}/redact/${inUrl(target?.event_id ?? '')}/1`;
      assert.equal((await person().call(redaction, 'PUT', {})).status, 403);
      assert.equal(runs(stand, FORGED), false);
      assert.deepEqual(
        before.filter((each) => !sandboxes(stand).includes(each)),
        [],
        'nobody was touched',
      );
      const [, , type, key, content] = forgeries[0];
      assert.equal(await operator.putState(pinned.configRoom, type, key, content), 200);
      await until('the operator’s own is followed', WAIT_MILLISECONDS, async () => (await principalOf(stand, key))?.state === 'blocked');
      assert.equal(await operator.putState(pinned.configRoom, type, key, {}), 200);
      await operatorsChangeWorks();
    });

  test('an operator forges the machine’s word neither: only the machine writes under its name', async () => {
    assert.equal(await operator.putState(pinned.configRoom, 'm.bureau.machine_status', pinned.userId, { v: 1 }), 403);
  });
});

describe('rooms that are not the machine’s', () => {
  test('a look-alike of the operator invites the machine: declined, and nothing of that room is followed', async () => {
    for (const name of ['bureau-admin.', 'bureau_admin', 'bureau-adrnin']) {
      const lookalike = await register(stand, name);
      const made = await lookalike.call('/createRoom', 'POST', { name: 'machine/vm', invite: [pinned.userId], preset: 'public_chat' });
      const room = String(made.body['room_id']);
      assert.equal(await lookalike.putState(room, 'm.bureau.assignment', 'forge/mallory', assignment('forge/mallory')), 200);
      await until('the machine declines', WAIT_MILLISECONDS, async () => {
        const { body } = await lookalike.call(`/rooms/${inUrl(room)}/state/m.room.member/${inUrl(pinned.userId)}`);
        return body['membership'] === 'leave';
      });
    }
    assert.match(daemonLog(stand), /"from":"@bureau_admin:[^"]+".*is declined/);
    await operatorsChangeWorks();
    assert.equal(runs(stand, FORGED), false);
  });

  test('the operator invites it into a room that its data names: accepted (positive control), and what that room says of assignments is nobody’s word', async () => {
    const room = pinned.agentsRoom;
    assert.equal((await operator.call(`/rooms/${inUrl(room)}/invite`, 'POST', { user_id: pinned.userId })).status, 200);
    await until('the machine joins', WAIT_MILLISECONDS, async () => {
      const { body } = await operator.call(`/rooms/${inUrl(room)}/state/m.room.member/${inUrl(pinned.userId)}`);
      return body['membership'] === 'join';
    });
    for (const [type, key, content] of [
      ['m.bureau.assignment', 'forge/mallory', assignment('forge/mallory')],
      ['m.bureau.assignment', KEPT, {}],
      ['m.bureau.template', 'default', { v: 1, description: 'x', command: ['sleep', FORGED] }],
    ] as const)
      assert.equal(await operator.putState(room, type, key, content), 200);
    await operatorsChangeWorks();
    assert.equal(runs(stand, FORGED), false);
    assert.equal((await principalOf(stand, KEPT))?.state, 'running');
  });

  test('aliases that lead elsewhere change nothing: the machine follows the rooms that it pinned', async () => {
    const made = await operator.call('/createRoom', 'POST', { invite: [pinned.userId] });
    const elsewhere = String(made.body['room_id']);
    assert.equal(await operator.putState(elsewhere, 'm.bureau.assignment', 'forge/mallory', assignment('forge/mallory')), 200);
    assert.equal(
      await operator.putState(elsewhere, 'm.bureau.template', 'default', { v: 1, description: 'x', command: ['sleep', FORGED] }),
      200,
    );
    const machine = pinned.userId.slice(1);
    const aliases = [`#${machine}`, `#bureau/template:${stand.facts.server_name}`];
    await stand.leaks.atRest();
    const before = sandboxes(stand);
    const homes = await Promise.all(aliases.map(async (alias) => (await operator.call(`/directory/room/${inUrl(alias)}`)).body['room_id']));
    try {
      for (const alias of aliases) {
        assert.equal((await operator.call(`/directory/room/${inUrl(alias)}`, 'DELETE')).status, 200, alias);
        assert.equal((await operator.call(`/directory/room/${inUrl(alias)}`, 'PUT', { room_id: elsewhere })).status, 200, alias);
      }
      // A daemon that begins afresh asks no alias either.
      const { pid } = stand.process('daemon');
      process.kill(pid, 'SIGKILL');
      await until('another daemon', WAIT_MILLISECONDS, () =>
        stand.processes().some(({ role, zombie, pid: other }) => role === 'daemon' && !zombie && other !== pid),
      );
      await until('both run', WAIT_MILLISECONDS, async () => {
        const states = await Promise.all([KEPT, CONTROL].map(async (name) => (await principalOf(stand, name))?.state));
        return states.every((state) => state === 'running');
      });
      assert.equal(runs(stand, FORGED), false);
      assert.deepEqual(sandboxes(stand), before, 'nobody was touched');
    } finally {
      for (const [at, alias] of aliases.entries()) {
        await operator.call(`/directory/room/${inUrl(alias)}`, 'DELETE');
        await operator.call(`/directory/room/${inUrl(alias)}`, 'PUT', { room_id: homes[at] });
      }
    }
    await operatorsChangeWorks();
  });
});

describe('state of the right room that is not as it should be', () => {
  test('what is larger than Matrix allows is refused by the homeserver; the largest that it takes blocks its own principal alone', async () => {
    const large = (bytes: number): object => ({ ...assignment('forge/large'), template: 'x'.repeat(bytes) });
    assert.equal(await operator.putState(pinned.configRoom, 'm.bureau.assignment', 'forge/large', large(66_000)), 413);
    assert.equal(await operator.putState(pinned.configRoom, 'm.bureau.assignment', 'forge/large', large(60_000)), 200);
    await until('it is blocked', WAIT_MILLISECONDS, async () => (await principalOf(stand, 'forge/large'))?.state === 'blocked');
    assert.match((await principalOf(stand, 'forge/large'))?.message ?? '', /template/);
    assert.equal(await operator.putState(pinned.configRoom, 'm.bureau.assignment', 'forge/large', {}), 200);
    await operatorsChangeWorks();
  });

  test('an assignment that an operator redacts is taken back like one that is emptied; others stay', async () => {
    const { body } = await operator.call(`/rooms/${inUrl(pinned.configRoom)}/state`);
    const events = body as unknown as { type: string; state_key: string; event_id: string }[];
    const target = events.find(({ type, state_key: key }) => type === 'm.bureau.assignment' && key === KEPT);
    assert.ok(target !== undefined);
    const redaction = `/rooms/${inUrl(pinned.configRoom)}/redact/${inUrl(target.event_id)}/redact-1`;
    assert.equal((await operator.call(redaction, 'PUT', {})).status, 200);
    await until(`${KEPT} ends`, WAIT_MILLISECONDS, async () => (await principalOf(stand, KEPT)) === undefined);
    assert.equal((await principalOf(stand, CONTROL))?.state, 'running');
    const { code, stderr } = await stand.bureau(['agent', 'deploy', KEPT, '--', 'sleep', '1000']);
    assert.equal(code, 0, stderr);
    await until(`${KEPT} runs again`, WAIT_MILLISECONDS, async () => (await principalOf(stand, KEPT))?.state === 'running');
  });
});

test('orders of a daemon that is no more, replayed to the launcher, reach nothing that lives; those of now do (positive control)', async () => {
  const idOf = async (): Promise<string> => (await principalOf(stand, CONTROL))?.id ?? '';
  const past = await idOf();
  await operatorsChangeWorks();
  await until('another sandbox', WAIT_MILLISECONDS, async () => (await idOf()) !== past);
  const { pid } = stand.process('daemon');
  process.kill(pid, 'SIGKILL');
  await until('another daemon', WAIT_MILLISECONDS, async () => (await principalOf(stand, CONTROL))?.state === 'running');
  await stand.leaks.atRest();
  const before = sandboxes(stand);
  const order = (method: string, id: string, more: object = {}): PeerStep => ({
    ...{ socket: stand.paths.launcherSocket, contract: 'launcher', method },
    input: { principal: CONTROL, id, ...more },
  });
  const orders = (id: string): PeerStep[] => [
    order('destroy', id, { graceMilliseconds: 0 }),
    order('signal', id, { signal: 'SIGKILL' }),
    order('updatePayload', id, { payload: { told: 'by nobody' } }),
    order('forget', id),
    order('wait', id),
  ];
  // A restart of the daemon gives its uid no new rights over what an older one knew.
  const daemon = { uid: stand.uidBase, gid: stand.uidBase };
  const outcomes = await speakAs(daemon, orders(past));
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.ok ? 'done' : outcome.code)),
    orders(past).map(() => 'not_found'),
    JSON.stringify(outcomes),
  );
  assert.deepEqual(sandboxes(stand), before);
  const [now] = await speakAs(daemon, [order('updatePayload', await idOf(), { payload: { told: 'by the daemon' } })]);
  assert.equal(now?.ok, true, JSON.stringify(now));
});
