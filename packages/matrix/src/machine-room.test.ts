// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hasCode, parseMachineName, parseRoomId, parseUserId, type RoomId } from '@bureau/core';
import { createAccount, revokeAccess } from './accounts.ts';
import type { MatrixClient } from './client.ts';
import type { RoomContext } from './ensure-room.ts';
import { ensureMachineRoom, type MachineRoom } from './machine-room.ts';
import { ensureMember } from './membership.ts';
import { setUpMatrix, type SetupResult } from './setup.ts';
import { TestServer, realClock } from './test-server.ts';

const forbidden = (error: unknown): boolean => hasCode(error, 'matrix_forbidden');
/** Good content for every type that is tried, so that only the right to write it is asked. */
const WELL_FORMED = {
  v: 1,
  name: 'x',
  topic: 'x',
  join_rule: 'public',
  replacement_room: '!x:y',
  body: 'x',
  algorithm: 'm.megolm.v1.aes-sha2',
  allow: ['*'],
  users: {},
  msgtype: 'm.text',
};
const ONE = parseUserId('@machine/one:bureau.test');
const TWO = parseUserId('@machine/two:bureau.test');

describe('accounts and machine rooms', () => {
  let server: TestServer;
  let setup: SetupResult;
  let admin: MatrixClient;
  let one: MatrixClient;
  let two: MatrixClient;

  before(async () => {
    server = await TestServer.start(264_111);
    const path = `${server.directory}/credentials`;
    setup = await setUpMatrix({
      homeserverUrl: server.homeserver.url,
      credentialFilePath: path,
      registrationToken: server.registrationToken,
      clock: realClock,
    });
    admin = server.administrator(path);
    one = await server.user('machine/one');
    two = await server.user('machine/two');
  });
  after(() => server?.[Symbol.asyncDispose]());

  for (const roomVersion of ['12', '11']) {
    describe(`ensureMachineRoom with room version ${roomVersion}`, () => {
      const machine = parseMachineName(`machine/v${roomVersion}`);
      const user = parseUserId(`@${machine}:bureau.test`);
      let client: MatrixClient;
      let room: MachineRoom;
      let roomId: RoomId;
      let context: RoomContext;

      before(async () => {
        client = await server.user(machine);
        context = { client: admin, owner: setup.administrator, serverName: setup.serverName, roomVersion };
        room = await ensureMachineRoom(context, machine, client);
        roomId = room.roomId;
      });

      test('makes the room once, with the machine in it, and says whom to pin', async () => {
        assert.equal(room.outcome, 'made');
        assert.equal(room.creator, '@bureau-admin:bureau.test');
        assert.deepEqual(await ensureMachineRoom(context, machine, client), { ...room, outcome: 'kept' });
        const members = await admin.members(roomId);
        assert.deepEqual(
          members
            .filter(({ membership }) => membership === 'join')
            .map(({ userId }) => userId)
            .sort(),
          ['@bureau-admin:bureau.test', user].sort(),
        );
      });

      test('the machine writes what it says of itself under its own user ID, and under no other', async () => {
        for (const type of ['m.bureau.machine_key', 'm.bureau.machine_status', 'm.bureau.machine_info', 'm.bureau.machine_load']) {
          await client.setState(roomId, type, user, { v: 1 });
          await assert.rejects(client.setState(roomId, type, TWO, { v: 1 }), forbidden);
          await assert.rejects(client.setState(roomId, type, `${user}/x`, { v: 1 }), forbidden);
          // Nor can an operator speak for it.
          await assert.rejects(admin.setState(roomId, type, user, { v: 1, forged: true }), forbidden);
        }
      });

      test('the machine writes the status of each principal, and messages; a member neither', async () => {
        await client.setState(roomId, 'm.bureau.principal_status', 'iree/agent', { v: 1 });
        await client.send(roomId, 'm.room.message', { msgtype: 'm.bureau.notification', body: 'x', v: 1 });
        await ensureMember(roomId, ONE, { inviter: admin, member: one });
        await assert.rejects(one.setState(roomId, 'm.bureau.principal_status', 'iree/agent', { v: 1 }), forbidden);
        await assert.rejects(one.send(roomId, 'm.room.message', { msgtype: 'm.text', body: 'x' }), forbidden);
        await admin.kick(roomId, ONE);
      });

      test('the machine can do nothing else in its config room', async () => {
        for (const type of [
          'm.bureau.machine_config',
          'm.bureau.machine_provision',
          'm.bureau.machine_revocation',
          'm.bureau.assignment',
          'm.bureau.credentials',
          'm.bureau.template',
          'm.bureau.anything',
          'm.room.power_levels',
          'm.room.name',
          'm.room.join_rules',
          'm.room.tombstone',
          'm.room.encryption',
          'm.room.server_acl',
        ]) {
          for (const key of ['', user]) await assert.rejects(client.setState(roomId, type, key, WELL_FORMED), forbidden, type);
        }
        await assert.rejects(client.invite(roomId, TWO), forbidden);
        await assert.rejects(client.kick(roomId, setup.administrator), forbidden);
      });

      test('an invited observer may read and write nothing, another machine not even read', async () => {
        await assert.rejects(two.allState(roomId), forbidden);
        await assert.rejects(two.join(roomId), forbidden);
        assert.equal(await ensureMember(roomId, ONE, { inviter: admin }), 'invited');
        assert.equal(await ensureMember(roomId, ONE, { inviter: admin, member: one }), 'joined');
        assert.equal(await ensureMember(roomId, ONE, { inviter: admin, member: one }), 'joined');
        await one.allState(roomId);
        for (const [type, key] of [
          ['m.bureau.assignment', 'iree/agent'],
          ['m.bureau.machine_status', ONE],
          ['m.bureau.machine_status', 'x'],
          ['m.bureau.machine_key', ONE],
        ] as const) {
          await assert.rejects(one.setState(roomId, type, key, { v: 1 }), forbidden, type);
        }
        await assert.rejects(one.send(roomId, 'm.room.message', { msgtype: 'm.bureau.command', body: 'x' }), forbidden);
        await admin.setState(roomId, 'm.bureau.assignment', 'iree/agent', { v: 1 });
      });

      test('an agent that was let in is taken out again, and may not come back by itself; a person who reads along stays', async () => {
        const name = `iree/spy${roomVersion}`;
        const agent = await server.user(name);
        const agentUser = parseUserId(`@${name}:bureau.test`);
        await ensureMember(roomId, agentUser, { inviter: admin, member: agent });
        await ensureMember(roomId, ONE, { inviter: admin, member: one });
        assert.ok((await agent.allState(roomId)).length > 0, 'while it is in, it reads all of it');
        assert.equal((await ensureMachineRoom(context, machine, client)).outcome, 'repaired');
        await assert.rejects(agent.join(roomId), forbidden);
        const present = (await admin.members(roomId)).filter(({ membership }) => membership === 'join').map(({ userId }) => userId);
        assert.ok(present.includes(ONE) && !present.includes(agentUser), present.join(' '));
        assert.equal((await ensureMachineRoom(context, machine, client)).outcome, 'kept');
      });

      test('a level that was altered is repaired, and the machine has its own back', async () => {
        const levels = await admin.state(roomId, 'm.room.power_levels');
        await admin.setState(roomId, 'm.room.power_levels', '', {
          ...levels,
          state_default: 0,
          users: { ...(levels?.['users'] as object), [user]: 50, [ONE]: 50 },
        });
        assert.equal((await ensureMachineRoom(context, machine, client)).outcome, 'repaired');
        // Synapse adds a level of its own when it makes a room.
        assert.deepEqual({ ...(await admin.state(roomId, 'm.room.power_levels')), historical: 100 }, levels);
      });
    });
  }

  test("#bureau/machine: a machine writes its own key, not another machine's, and nothing else", async () => {
    const room = parseRoomId(setup.rooms['machine'] ?? '');
    await ensureMember(room, ONE, { inviter: admin, member: one });
    await ensureMember(room, TWO, { inviter: admin, member: two });
    await one.setState(room, 'm.bureau.machine_key', ONE, { v: 1 });
    await assert.rejects(two.setState(room, 'm.bureau.machine_key', ONE, { v: 1, forged: true }), forbidden);
    await assert.rejects(one.setState(room, 'm.bureau.machine_status', ONE, { v: 1 }), forbidden);
    await assert.rejects(one.send(room, 'm.room.message', WELL_FORMED), forbidden);
  });

  test('an agent in #bureau/agents and #bureau/service: talks, registers itself, changes nothing', async () => {
    const agent = await server.user('iree/agent');
    const user = parseUserId('@iree/agent:bureau.test');
    const agents = parseRoomId(setup.rooms['agents'] ?? '');
    const service = parseRoomId(setup.rooms['service'] ?? '');
    for (const room of [agents, service]) await ensureMember(room, user, { inviter: admin, member: agent });
    const id = await agent.send(agents, 'm.room.message', { msgtype: 'm.text', body: 'hello' }, 'once');
    assert.equal(await agent.send(agents, 'm.room.message', { msgtype: 'm.text', body: 'hello' }, 'once'), id);
    assert.equal((await admin.messages(agents, { limit: 1 })).events[0]?.event_id, id);
    const sync = await agent.sync({ timeoutMilliseconds: 0 });
    assert.equal(typeof sync.next_batch, 'string');
    await agent.setState(service, 'm.bureau.service', user, { v: 1 });
    for (const type of ['m.bureau.template', 'm.bureau.assignment', 'm.room.topic', 'm.room.canonical_alias'])
      await assert.rejects(agent.setState(agents, type, '', WELL_FORMED), forbidden, type);
    await assert.rejects(agent.invite(agents, ONE), forbidden);
  });

  describe('createAccount', () => {
    function keeper(initial?: string): {
      kept: string | undefined;
      recallPassword(): Buffer | undefined;
      rememberPassword(password: Uint8Array): void;
    } {
      return {
        kept: initial,
        recallPassword() {
          return this.kept === undefined ? undefined : Buffer.from(this.kept, 'latin1');
        },
        rememberPassword(password) {
          this.kept = Buffer.from(password).toString('latin1');
        },
      };
    }

    test('makes an account whose token works, and revokeAccess ends it', async () => {
      const passwords = keeper();
      const account = await createAccount({
        client: server.client(),
        username: 'iree/one',
        registrationToken: server.registrationToken,
        deviceId: 'machine-one',
        passwords,
      });
      assert.equal(account.userId, '@iree/one:bureau.test');
      assert.equal(account.made, true);
      assert.match(passwords.kept ?? '', /^[0-9a-f]{64}$/);
      const client = server.client().withToken({ bytes: account.accessToken });
      assert.deepEqual(await client.whoami(), { userId: '@iree/one:bureau.test', deviceId: 'machine-one' });
      await revokeAccess(client);
      await revokeAccess(client);
      await assert.rejects(client.whoami(), (error) => hasCode(error, 'matrix_unknown_token'));
    });

    test('carries on after a crash between registration and sealing, leaving one device with one token', async () => {
      const passwords = keeper();
      const options = {
        client: server.client(),
        username: 'iree/two',
        registrationToken: server.registrationToken,
        deviceId: 'machine-one',
        passwords,
      };
      const lost = await createAccount(options);
      const found = await createAccount(options);
      assert.equal(found.made, false);
      assert.equal(found.userId, lost.userId);
      await assert.rejects(server.client().withToken({ bytes: lost.accessToken }).whoami(), (error) =>
        hasCode(error, 'matrix_unknown_token'),
      );
      assert.equal((await server.client().withToken({ bytes: found.accessToken }).whoami()).deviceId, 'machine-one');
    });

    test('carries on after a crash between remembering and registration', async () => {
      const account = await createAccount({
        client: server.client(),
        username: 'iree/three',
        registrationToken: server.registrationToken,
        deviceId: 'd',
        passwords: keeper('ab'.repeat(32)),
      });
      assert.equal(account.made, true);
    });

    test('makes nothing when the password cannot be kept', async () => {
      const broken = { recallPassword: () => undefined, rememberPassword: () => Promise.reject(new Error('disk full')) };
      await assert.rejects(
        createAccount({
          client: server.client(),
          username: 'iree/four',
          registrationToken: server.registrationToken,
          deviceId: 'd',
          passwords: broken,
        }),
        /disk full/,
      );
      assert.equal(
        (
          await createAccount({
            client: server.client(),
            username: 'iree/four',
            registrationToken: server.registrationToken,
            deviceId: 'd',
            passwords: keeper(),
          })
        ).made,
        true,
      );
    });

    test('refuses a taken name and a wrong registration token, and names neither secret', async () => {
      await server.user('iree/taken');
      await assert.rejects(
        createAccount({
          client: server.client(),
          username: 'iree/taken',
          registrationToken: server.registrationToken,
          deviceId: 'd',
          passwords: keeper(),
        }),
        (error) => hasCode(error, 'matrix_account_locked_out'),
      );
      await assert.rejects(
        createAccount({
          client: server.client(),
          username: 'iree/five',
          registrationToken: 'not-the-token',
          deviceId: 'd',
          passwords: keeper(),
        }),
        (error) => hasCode(error, 'matrix_registration_token_refused') && !(error as Error).message.includes('not-the-token'),
      );
    });
  });
});
