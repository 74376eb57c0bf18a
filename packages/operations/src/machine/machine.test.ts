// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { hasCode, parseInstanceName, parseLocalpart, parseMachineName, parseRoomId, type RoomId } from '@bureau/core';
import {
  instancePaths,
  readDaemonSession,
  readMachine,
  uidsOf,
  writeDaemonSession,
  writeSettings,
  type InstancePaths,
} from '@bureau/instance';
import { MatrixClient } from '@bureau/matrix';
import { systemClock } from '@bureau/process';
import type { OperationContext } from '../registry/context.ts';
import { OPERATIONS } from '../registry/operations.ts';
import { TestOperator } from '../matrix/test-operator.ts';
import { readInvitation, type MachineInvitation } from './invitation.ts';
import { joinMachine } from './join.ts';

const UID = 264_141;
const RECIPIENT = 'age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq';
const OTHER_RECIPIENT = 'age1zyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxzyxz';

describe('bureau machine on a real homeserver', () => {
  let operator: TestOperator;
  /** Of the stand with the homeserver, and of the machine that joins. */
  let own: InstancePaths;
  let joined: InstancePaths;

  const context = (paths: InstancePaths): OperationContext => operator.context({ paths });
  const call = <Result = Record<string, unknown>>(name: string, input: Readonly<Record<string, unknown>> = {}): Promise<Result> => {
    const operation = OPERATIONS.find((each) => each.name === `machine ${name}`);
    assert.ok(operation !== undefined, `no operation machine ${name}`);
    return operator.call<Result>(operation, input, { paths: own });
  };
  const refused = async (work: Promise<unknown>, code: string): Promise<void> => {
    await assert.rejects(work, (error) => hasCode(error, code) || assert.fail(`expected ${code}, got ${String(error)}`));
  };
  const condition = async (machine = 'laptop'): Promise<unknown> => (await call('show', { machine }))['condition'];
  const anonymous = (): MatrixClient => new MatrixClient({ homeserverUrl: operator.homeserver.url, clock: systemClock });
  const logIn = (password: string, username = 'machine/laptop') => anonymous().login({ username, password, deviceId: 'THIEF' });
  const isDead = async (client: MatrixClient): Promise<boolean> =>
    await client.whoami().then(
      () => false,
      (error: unknown) => hasCode(error, 'matrix_unknown_token') || assert.fail(String(error)),
    );
  const laptop = (): MatrixClient => anonymous().withToken(readDaemonSession(joined));
  const provision = async (more: Readonly<Record<string, unknown>> = {}): Promise<MachineInvitation> => {
    const out = join(operator.directory, `${randomBytes(4).toString('hex')}.json`);
    await call('provision', { machine: 'laptop', out, ...more });
    assert.equal(statSync(out).mode & 0o777, 0o600);
    return await readInvitation(out, Readable.from([]));
  };

  before(async () => {
    operator = await TestOperator.start(UID);
    const places = (name: string): InstancePaths => instancePaths(parseInstanceName(`${name}${randomBytes(3).toString('hex')}`));
    own = { ...places('own'), homeserverStateDirectory: join(operator.directory, 'homeserver') };
    joined = places('join');
    for (const { configDir, operatorsDirectory, launcherStateDirectory, daemonStateDirectory } of [own, joined])
      for (const directory of [configDir, operatorsDirectory, launcherStateDirectory, daemonStateDirectory])
        mkdirSync(directory, { recursive: true });
    writeFileSync(`${own.operatorsDirectory}/local.pub`, '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n');
    writeFileSync(`${joined.launcherStateDirectory}/recipient`, `${RECIPIENT}\n`);
    writeSettings(joined, {
      v: 1,
      name: joined.name,
      uidBase: 264_160,
      serverName: operator.serverName,
      homeserverPort: operator.homeserver.port,
      homeserverUrl: operator.homeserver.url,
      machine: parseMachineName('machine/laptop'),
      joined: true,
      build: 'test',
    });
  });
  after(async () => {
    for (const paths of [own, joined])
      for (const directory of [paths.runDir, paths.stateDir, paths.configDir, paths.logDir])
        rmSync(directory, { recursive: true, force: true });
    await operator[Symbol.asyncDispose]();
  });

  test('provision makes account, room and a file, once; join makes its password worthless and publishes the key', async () => {
    const invitation = await provision();
    assert.equal(await condition(), 'expected');
    await refused(provision(), 'machine_known');
    await refused(call('confirm', { machine: 'laptop' }), 'machine_key_missing');
    // A crash between the login and the change of the password: the same file goes on.
    const half = await logIn(invitation.one_time_password);
    writeDaemonSession(joined, half.accessToken, uidsOf(264_160).daemon);
    const machine = await joinMachine(invitation, context(joined));
    assert.deepEqual(readMachine(joined), machine);
    await refused(logIn(invitation.one_time_password), 'matrix_forbidden');
    assert.equal((await laptop().whoami()).userId, '@machine/laptop:bureau.test');
    assert.ok(existsSync(`${joined.operatorsDirectory}/local.pub`));
    // And so does one after all of it.
    await joinMachine(invitation, context(joined));
    assert.equal(await condition(), 'unconfirmed');
  });

  test('confirm pins the key; another one is refused from then on, and so is one of an earlier provisioning', async () => {
    await refused(call('confirm', { machine: 'laptop', recipient: OTHER_RECIPIENT }), 'machine_key_differs');
    assert.equal((await call('confirm', { machine: 'laptop', recipient: RECIPIENT }))['outcome'], 'pinned');
    assert.equal((await call('confirm', { machine: 'laptop' }))['outcome'], 'known');
    assert.equal(await condition(), 'silent');
    const { configRoom, userId } = readMachine(joined);
    const publish = (recipient: string) =>
      laptop().setState(configRoom, 'm.bureau.machine_key', userId, { v: 1, algorithm: 'age-x25519', recipient });
    await publish(OTHER_RECIPIENT);
    assert.equal(await condition(), 'key_changed');
    await refused(call('confirm', { machine: 'laptop' }), 'machine_key_changed');
    await publish(RECIPIENT);
    assert.equal(await condition(), 'silent');
  });

  test('an invitation that somebody else has used is told so, and provisioning again ends their session', async () => {
    const former = laptop();
    const stolen = await provision({ again: true });
    assert.ok(await isDead(former));
    const session = await logIn(stolen.one_time_password);
    const thief = anonymous().withToken(session.accessToken);
    await thief.changePassword({ username: 'machine/laptop', former: stolen.one_time_password, next: randomBytes(16).toString('hex') });
    await refused(joinMachine(stolen, context(joined)), 'invitation_used');
    const fresh = await provision({ again: true });
    assert.ok(await isDead(thief));
    await refused(call('confirm', { machine: 'laptop' }), 'machine_key_old');
    await joinMachine(fresh, context(joined));
    assert.equal((await call('confirm', { machine: 'laptop' }))['outcome'], 'pinned');
  });

  test('an invitation for another machine, or none at all, is refused and quoted nowhere', async () => {
    const invitation = await provision({ again: true });
    await refused(joinMachine({ ...invitation, machine: parseMachineName('machine/other') }, context(joined)), 'stand_differs');
    for (const text of ['', '{', '{"v":2}', JSON.stringify({ ...invitation, one_time_password: 'secret!' })]) {
      const error = await readInvitation('-', Readable.from([Buffer.from(text)])).then(
        () => assert.fail('expected a refusal'),
        (reason: unknown) => reason as Error,
      );
      assert.ok(hasCode(error, 'invitation_malformed') && !error.message.includes('secret!'), error.message);
    }
    assert.equal((await readInvitation('-', Readable.from([Buffer.from(JSON.stringify(invitation))]))).machine, 'machine/laptop');
    await joinMachine(invitation, context(joined));
    await call('confirm', { machine: 'laptop' });
  });

  test('label, cordon, drain and uncordon keep each other’s word, and write over nothing of a newer Bureau', async () => {
    assert.deepEqual((await call('label', { machine: 'laptop', labels: ['gpu=mi300', 'ssd'] }))['labels'], { gpu: 'mi300', ssd: '' });
    const drained = await call('drain', { machine: 'laptop' });
    assert.deepEqual([drained['cordoned'], drained['draining'], drained['labels']], [true, true, { gpu: 'mi300', ssd: '' }]);
    const { cordoned, draining, labels } = await call('uncordon', { machine: 'laptop' });
    assert.deepEqual([cordoned, draining, labels], [false, false, { gpu: 'mi300', ssd: '' }]);
    assert.deepEqual((await call('label', { machine: 'laptop', remove: ['ssd'] }))['labels'], { gpu: 'mi300' });
    await refused(call('label', { machine: 'laptop', remove: ['ssd'] }), 'invalid_labels');
    await refused(call('label', { machine: 'laptop', labels: ['BAD=x'] }), 'invalid_labels');
    await refused(call('cordon', { machine: 'nobody' }), 'machine_unknown');
    const room = readMachine(joined).configRoom;
    const admin = anonymous().withToken(operator.token);
    await admin.setState(room, 'm.bureau.machine_config', '', { v: 2, cordoned: 'maybe' });
    await refused(call('cordon', { machine: 'laptop' }), 'event_newer');
    await admin.setState(room, 'm.bureau.machine_config', '', {});
    assert.equal((await call('cordon', { machine: 'laptop' }))['cordoned'], true);
  });

  test('list shows machines whose room set-up’s administrator has made, and no others', async () => {
    const admin = anonymous().withToken(operator.token);
    const other = await operator.user('ben');
    const trap = await other.createRoom({
      roomVersion: '12',
      name: 'trap',
      topic: '',
      powerLevels: {},
      invite: ['@bureau-admin:bureau.test' as never],
    });
    await admin.join(trap);
    const { machines } = await call<{ machines: { machine: string; condition: string }[] }>('list');
    assert.deepEqual(
      machines.map(({ machine }) => machine),
      ['machine/laptop'],
    );
  });

  test('revoke ends every session of the machine and its agents, and of nobody else; it may be repeated', async () => {
    const room: RoomId = parseRoomId(readMachine(joined).configRoom);
    const admin = anonymous().withToken(operator.token);
    const agent = await operator.user('iree/agent');
    const bystander = await operator.user('iree/bystander');
    await admin.setState(room, 'm.bureau.assignment', 'iree/agent', { v: 1, principal: 'iree/agent' });
    await admin.setState(room, 'm.bureau.credentials', 'iree/agent', { v: 1, principal: 'iree/agent', bundle: 'aGVsbG8=' });
    const machine = laptop();
    assert.ok(!(await isDead(machine)) && !(await isDead(agent)));

    const wrong = join(operator.directory, 'wrong-token');
    writeFileSync(wrong, 'not a token', { mode: 0o600 });
    await refused(call('revoke', { machine: 'laptop', reason: 'x', server_admin_token_file: wrong }), 'homeserver_refused');
    assert.ok(!(await isDead(machine)), 'who is no administrator ends nothing');
    assert.notEqual(await condition(), 'revoked');

    const said = await call('revoke', { machine: 'laptop', reason: 'stolen' });
    assert.deepEqual([said['principals'], said['sessions_ended'], said['rooms_left_over']], [['iree/agent'], 2, []]);
    assert.ok((await isDead(machine)) && (await isDead(agent)));
    assert.ok(!(await isDead(bystander)) && !(await isDead(admin)));
    assert.equal(await condition(), 'revoked');
    assert.deepEqual(await admin.state(room, 'm.bureau.credentials', 'iree/agent'), {});
    assert.equal((await admin.state(room, 'm.room.member', '@machine/laptop:bureau.test'))?.['membership'], 'leave');
    await refused(call('confirm', { machine: 'laptop' }), 'machine_revoked');
    assert.equal((await call('revoke', { machine: 'laptop', reason: 'again' }))['sessions_ended'], 0);

    // Installed anew: it comes back, with a session of its own.
    await joinMachine(await provision({ again: true }), context(joined));
    assert.equal((await call('confirm', { machine: 'laptop' }))['outcome'], 'pinned');
  });

  test('decommission of one that is away takes what is its own, leaves agents’ other sessions, and may be repeated', async () => {
    const machine = laptop();
    const room = readMachine(joined).configRoom;
    const admin = anonymous().withToken(operator.token);
    const username = parseLocalpart('iree/two');
    const elsewhere = await operator.user('iree/two');
    const here = await anonymous().login({ username, password: 'password of iree/two', deviceId: 'BUREAU_MACHINE_LAPTOP' });
    await admin.setState(room, 'm.bureau.assignment', 'iree/two', { v: 1, principal: 'iree/two' });
    for (const expected of [2, 0]) {
      const said = await call('decommission', { machine: 'laptop', away: true });
      assert.equal(said['sessions_ended'], expected);
    }
    assert.ok((await isDead(machine)) && (await isDead(anonymous().withToken(here.accessToken))));
    assert.ok(!(await isDead(elsewhere)));
    assert.deepEqual(await admin.state(room, 'm.bureau.assignment', 'iree/two'), {});
    assert.equal(await condition(), 'decommissioned');
  });
});
