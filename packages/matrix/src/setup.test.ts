// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { hasCode, parseMachineName, parseRoomAlias, parseRoomId, parseServerName, parseUserId, type RoomId } from '@bureau/core';
import { BUILT_IN_TEMPLATES } from '@bureau/templates';
import { readCredentialFile, writeCredentialFile } from './credential-file.ts';
import { examineMatrix } from './doctor.ts';
import type { DoctorReport } from './doctor-report.ts';
import { ensureMachineRoom } from './machine-room.ts';
import { roomOrigin } from './room-state.ts';
import { STANDARD_ROOMS } from './rooms.ts';
import { setUpMatrix, type SetupResult, type SetupStep } from './setup.ts';
import { TestServer, realClock } from './test-server.ts';

const TEMPLATES = [...BUILT_IN_TEMPLATES.keys()].map((name) => `template ${name}`);
const PLAYBOOK_KEYS = [
  'MATRIX_HOMESERVER_URL',
  'MATRIX_ADMIN_USER',
  'MATRIX_ADMIN_TOKEN',
  'MATRIX_REGISTRATION_TOKEN',
  'MATRIX_SPACE_ROOM',
  'MATRIX_AGENTS_ROOM',
  'MATRIX_SYSTEM_ROOM',
  'MATRIX_MACHINE_ROOM',
  'MATRIX_SERVICE_ROOM',
  'MATRIX_TEMPLATE_ROOM',
  'MATRIX_PIPELINE_ROOM',
  'MATRIX_ARTIFACT_ROOM',
];

for (const [index, roomVersion] of ['12', '11'].entries()) {
  describe(`set-up and doctor with room version ${roomVersion}`, () => {
    let server: TestServer;
    let path: string;
    let first: SetupResult;
    const firstSteps: SetupStep[] = [];

    before(async () => {
      server = await TestServer.start(264_101 + index);
      path = `${server.directory}/credentials`;
      writeFileSync(path, '# mine\nOTHER_KEY=kept = as it is\n\n', { mode: 0o600 });
      first = await run((step) => firstSteps.push(step));
    });
    after(() => server?.[Symbol.asyncDispose]());

    function run(onStep?: (step: SetupStep) => void): Promise<SetupResult> {
      return setUpMatrix({
        homeserverUrl: server.homeserver.url,
        credentialFilePath: path,
        registrationToken: server.registrationToken,
        roomVersion,
        clock: realClock,
        ...(onStep === undefined ? {} : { onStep }),
      });
    }
    function examine(fix = false): Promise<DoctorReport> {
      return examineMatrix({ credentialFilePath: path, clock: realClock, fix });
    }
    function room(label: string): RoomId {
      return parseRoomId(first.rooms[label] ?? '');
    }
    function failed(report: DoctorReport): string[] {
      return report.checks.filter(({ status }) => status === 'fail').map(({ name }) => name);
    }

    test('setUpMatrix makes every room in the wanted version and tells each step', async () => {
      assert.deepEqual(
        firstSteps.map(({ step, outcome }) => `${step} ${outcome}`),
        ['administrator', 'space', ...STANDARD_ROOMS.map(({ label }) => label), ...TEMPLATES, 'credential file'].map(
          (step) => `${step} made`,
        ),
      );
      for (const roomId of Object.values(first.rooms)) {
        const origin = roomOrigin(await server.administrator(path).allState(parseRoomId(roomId)));
        assert.equal(origin?.roomVersion, roomVersion);
        assert.equal(origin?.creator, '@bureau-admin:bureau.test');
      }
    });

    test("setUpMatrix writes the playbook's keys, 0600, and keeps foreign lines", () => {
      const text = readFileSync(path, 'utf8');
      assert.ok(text.startsWith('# mine\nOTHER_KEY=kept = as it is\n\n'));
      const file = readCredentialFile(path);
      for (const key of PLAYBOOK_KEYS) assert.notEqual(file.get(key), undefined, key);
      assert.equal(text.match(/MATRIX_ADMIN_TOKEN/g)?.length, 1);
      for (const secret of [path, `${path}.password`]) assert.equal(statSync(secret).mode & 0o777, 0o600);
    });

    test('setUpMatrix again changes nothing: same ids, same token, same file', async () => {
      const before = readFileSync(path, 'utf8');
      const steps: SetupStep[] = [];
      const second = await run((step) => steps.push(step));
      assert.deepEqual(second, { ...first, changed: false });
      assert.deepEqual(new Set(steps.map(({ outcome }) => outcome)), new Set(['kept']));
      assert.equal(readFileSync(path, 'utf8'), before);
    });

    test('examineMatrix passes after set-up, and tells no secret', async () => {
      const report = await examine();
      assert.deepEqual(
        report.checks.filter(({ status }) => status !== 'pass'),
        [],
      );
      assert.equal(report.ok, true);
      assert.equal(report.checks.filter(({ name }) => name.endsWith(' power levels')).length, 8);
      assert.ok(!JSON.stringify(report).includes(readCredentialFile(path).get('MATRIX_ADMIN_TOKEN') ?? '?'));
    });

    test('examineMatrix finds what was altered, writes nothing without fix, and repairs it with fix', async () => {
      const admin = server.administrator(path);
      const levels = await admin.state(room('agents'), 'm.room.power_levels');
      await admin.setState(room('agents'), 'm.room.power_levels', '', {
        ...levels,
        state_default: 0,
        events: { ...(levels?.['events'] as object), 'm.bureau.assignment': 0, 'm.room.topic': 0 },
      });
      await admin.setState(room('system'), 'm.room.join_rules', '', { join_rule: 'public' });
      await admin.setState(room('system'), 'm.room.history_visibility', '', { history_visibility: 'world_readable' });
      await admin.setState(room('space'), 'm.space.child', room('artifact'), {});
      await admin.setState(room('template'), 'm.bureau.template', 'default', { v: 1, description: 7 });
      writeCredentialFile(path, readCredentialFile(path).with({ MATRIX_PIPELINE_ROOM: '!other:bureau.test' }));
      const expected = [
        'agents power levels',
        'system join rules',
        'system history visibility',
        'template default',
        'pipeline credential',
        'artifact in space',
      ];
      assert.deepEqual(failed(await examine()), expected);
      assert.deepEqual(failed(await examine()), expected);
      const report = await examine(true);
      assert.equal(report.ok, true);
      assert.deepEqual(
        report.checks.filter(({ repaired }) => repaired).map(({ name }) => name),
        expected,
      );
      assert.equal((await examine()).ok, true);
    });

    test('setUpMatrix repairs altered power levels and keeps further operators', async () => {
      const admin = server.administrator(path);
      const levels = (await admin.state(room('machine'), 'm.room.power_levels')) as { users: object };
      await admin.setState(room('machine'), 'm.room.power_levels', '', {
        ...levels,
        invite: 0,
        users: { ...levels.users, '@ben:bureau.test': 100, '@eve:bureau.test': 50 },
      });
      const steps: SetupStep[] = [];
      await run((step) => steps.push(step));
      assert.deepEqual(
        steps.filter(({ outcome }) => outcome !== 'kept').map(({ step, outcome }) => `${step} ${outcome}`),
        ['machine repaired'],
      );
      const after = (await admin.state(room('machine'), 'm.room.power_levels')) as { invite: number; users: Record<string, number> };
      assert.equal(after.invite, 100);
      assert.equal(after.users['@ben:bureau.test'], 100);
      assert.equal(after.users['@eve:bureau.test'], undefined);
      assert.match(
        (await examine()).checks.find(({ name }) => name === 'machine power levels')?.message ?? '',
        /further operators: @ben:bureau\.test/,
      );
    });

    test('agents in the system room, in the room of machines and in a config room are found and taken out; set-up does so too', async () => {
      const admin = server.administrator(path);
      const machine = parseMachineName('machine/one');
      const context = { client: admin, owner: first.administrator, serverName: first.serverName, roomVersion };
      const { roomId: config } = await ensureMachineRoom(context, machine);
      await admin.setState(config, 'm.bureau.assignment', 'plain', { v: 1 });
      const agents = [
        [room('system'), 'iree/spy'],
        [room('machine'), 'plain'],
        [config, 'iree/spy'],
        [config, 'plain'],
      ] as const;
      const invite = async (): Promise<void> => {
        for (const [id, name] of agents) await admin.invite(id, parseUserId(`@${name}:bureau.test`));
      };
      for (const name of ['iree/spy', 'plain']) await server.user(name);
      await invite();
      const expected = ['system agents', 'machine agents', 'machine/one agents'];
      assert.deepEqual(failed(await examine()), expected);
      const report = await examine(true);
      assert.deepEqual(
        report.checks.filter(({ repaired }) => repaired).map(({ name }) => name),
        expected,
      );
      assert.equal(report.ok, true);
      await admin.invite(room('system'), parseUserId('@iree/spy:bureau.test'));
      const steps: SetupStep[] = [];
      await run((step) => steps.push(step));
      assert.deepEqual(
        steps.filter(({ outcome }) => outcome !== 'kept').map(({ step, outcome }) => `${step} ${outcome}`),
        ['system repaired'],
      );
      assert.equal((await examine()).ok, true);
    });

    test("setUpMatrix keeps an operator's template and a newer one", async () => {
      const admin = server.administrator(path);
      for (const content of [
        { v: 1, description: 'ours', environment: { A: 'b' }, mounts: [] },
        { v: 3, anything: true },
      ]) {
        await admin.setState(room('template'), 'm.bureau.template', 'default', content);
        await run();
        assert.deepEqual(await admin.state(room('template'), 'm.bureau.template', 'default'), content);
      }
      const report = await examine();
      assert.deepEqual(
        report.checks.filter(({ status }) => status !== 'pass').map(({ name, status }) => `${name} ${status}`),
        ['template default warn'],
      );
      await admin.setState(room('template'), 'm.bureau.template', 'default', {});
      await run();
    });

    test('an agent may neither make nor move an alias, nor list a room', async () => {
      const agent = await server.user('iree/agent');
      const alias = parseRoomAlias('#iree/den:bureau.test');
      await assert.rejects(
        agent.createRoom({ roomVersion, aliasLocalpart: 'iree/den', name: 'den', topic: '', powerLevels: {} }),
        (error) => hasCode(error, 'matrix_forbidden'),
      );
      const den = await agent.createRoom({ roomVersion, name: 'den', topic: '', powerLevels: {} });
      await assert.rejects(agent.createAlias(alias, den), (error) => hasCode(error, 'matrix_forbidden'));
      await assert.rejects(agent.deleteAlias(parseRoomAlias('#bureau/agents:bureau.test')), (error) => hasCode(error, 'matrix_forbidden'));
      assert.equal(await agent.resolveAlias(alias), undefined);
    });

    test("an alias that names a stranger's room is refused by set-up and doctor, and never adopted", async () => {
      const admin = server.administrator(path);
      const stranger = await server.user('stranger');
      const alias = parseRoomAlias('#bureau/pipeline:bureau.test');
      const trap = await stranger.createRoom({
        roomVersion,
        name: 'Bureau Pipelines',
        topic: '',
        powerLevels: {},
        invite: [parseUserId('@bureau-admin:bureau.test')],
      });
      await admin.deleteAlias(alias);
      for (const joined of [false, true]) {
        // The worst case: the administrator was lured into the room, gave it the alias, and has level 100 there.
        if (joined) {
          await admin.join(trap);
          await stranger.setState(trap, 'm.room.power_levels', '', {
            users: { ...(roomVersion === '11' ? { '@stranger:bureau.test': 100 } : {}), '@bureau-admin:bureau.test': 100 },
          });
        } else {
          await admin.join(trap);
          await admin.createAlias(alias, trap);
          await admin.leave(trap);
          await stranger.invite(trap, parseUserId('@bureau-admin:bureau.test'));
        }
        await assert.rejects(
          run(),
          (error) => hasCode(error, 'matrix_alias_squatted') && /Take the alias away/.test((error as Error).message),
        );
        const report = await examine(true);
        assert.ok(failed(report).includes('pipeline'));
        assert.equal(readCredentialFile(path).get('MATRIX_PIPELINE_ROOM'), first.rooms['pipeline']);
      }
      await admin.deleteAlias(alias);
      await admin.createAlias(alias, room('pipeline'));
      assert.equal((await examine()).ok, true);
    });

    test('a revoked token is made anew without the registration token, and the device count stays one', async () => {
      const former = readCredentialFile(path).get('MATRIX_ADMIN_TOKEN') ?? '';
      await server.administrator(path).logout();
      assert.deepEqual(failed(await examine()), ['authentication']);
      writeCredentialFile(path, readCredentialFile(path).with({ MATRIX_REGISTRATION_TOKEN: 'wrong' }));
      const again = await setUpMatrix({ credentialFilePath: path, roomVersion, clock: realClock });
      assert.deepEqual(again.rooms, first.rooms);
      assert.notEqual(readCredentialFile(path).get('MATRIX_ADMIN_TOKEN'), former);
      assert.equal((await examine()).ok, true);
    });

    test('a lost credential file is written anew, and the token that was in it is dead', async () => {
      const lost = server.administrator(path);
      rmSync(path);
      const again = await setUpMatrix({ homeserverUrl: server.homeserver.url, credentialFilePath: path, roomVersion, clock: realClock });
      assert.deepEqual(again.rooms, first.rooms);
      await assert.rejects(lost.whoami(), (error) => hasCode(error, 'matrix_unknown_token'));
    });

    test('setUpMatrix refuses another server name, a lost password, and a missing registration token', async () => {
      await assert.rejects(
        setUpMatrix({ credentialFilePath: path, serverName: parseServerName('other.test'), clock: realClock }),
        (error) => hasCode(error, 'matrix_server_name_mismatch'),
      );
      const fresh = `${server.directory}/fresh`;
      await assert.rejects(setUpMatrix({ homeserverUrl: server.homeserver.url, credentialFilePath: fresh, clock: realClock }), (error) =>
        hasCode(error, 'matrix_registration_token_missing'),
      );
      await assert.rejects(
        setUpMatrix({
          homeserverUrl: server.homeserver.url,
          credentialFilePath: fresh,
          registrationToken: server.registrationToken,
          clock: realClock,
        }),
        (error) => hasCode(error, 'matrix_account_locked_out'),
      );
    });

    test('examineMatrix skips what it cannot look at', async () => {
      const report = await examineMatrix({ credentialFilePath: path, homeserverUrl: 'http://127.0.0.1:1', clock: realClock });
      assert.deepEqual(failed(report), ['homeserver']);
      assert.equal(report.checks.filter(({ status }) => status === 'skip').length, 10 + TEMPLATES.length);
      assert.equal((await examineMatrix({ credentialFilePath: `${path}.none`, clock: realClock })).checks[0]?.status, 'fail');
    });
  });
}
