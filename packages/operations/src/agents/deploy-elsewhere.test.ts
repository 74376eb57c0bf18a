// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { parseInstanceName, parseMachineName, parsePrincipalName, parseRoomId, parseUserId, type Clock } from '@bureau/core';
import { instancePaths, readDaemonSession, readMachine, writeMachine, writeSettings, type InstancePaths } from '@bureau/instance';
import { MatrixClient } from '@bureau/matrix';
import { systemClock } from '@bureau/process';
import { generateIdentity } from '@bureau/seal';
import { joinMachine } from '../machine/join.ts';
import { readInvitation } from '../machine/invitation.ts';
import { TestOperator, operationNamed, refused } from '../matrix/test-operator.ts';
import { ensureKeys } from '../stand/keys.ts';

const UID = 264_151;
/** Between two looks into the room, as in `wait-elsewhere.ts`. */
const LOOK_MILLISECONDS = 1_000;
const FAR = parsePrincipalName('far/agent');

describe('agents of another machine, on a real homeserver', () => {
  let operator: TestOperator;
  let own: InstancePaths;
  let joined: InstancePaths;
  let recipient: string;

  const call = <Result = Record<string, unknown>>(name: string, input: Readonly<Record<string, unknown>>): Promise<Result> =>
    operator.call<Result>(operationNamed(name), input, { paths: own });
  const deploy = (principal: string, more: Readonly<Record<string, unknown>> = {}): Promise<Record<string, unknown>> =>
    call('agent deploy', { principal, command: ['true'], machine: 'laptop', wait: false, ...more });
  const admin = (): MatrixClient =>
    new MatrixClient({ homeserverUrl: operator.homeserver.url, clock: systemClock }).withToken(operator.token);
  const laptop = (): MatrixClient =>
    new MatrixClient({ homeserverUrl: operator.homeserver.url, clock: systemClock }).withToken(readDaemonSession(joined));

  before(async () => {
    operator = await TestOperator.start(UID);
    const places = (name: string): InstancePaths => instancePaths(parseInstanceName(`${name}${randomBytes(3).toString('hex')}`));
    own = { ...places('own'), homeserverStateDirectory: join(operator.directory, 'homeserver') };
    joined = places('join');
    for (const { configDir, operatorsDirectory, launcherStateDirectory, daemonStateDirectory } of [own, joined])
      for (const directory of [configDir, operatorsDirectory, launcherStateDirectory, daemonStateDirectory])
        mkdirSync(directory, { recursive: true });
    const made = await generateIdentity();
    made.identity[Symbol.dispose]();
    ({ recipient } = made);
    writeFileSync(`${joined.launcherStateDirectory}/recipient`, `${recipient}\n`);
    await ensureKeys(operator.context({ paths: own }));
    writeSettings(joined, {
      v: 1,
      name: joined.name,
      uidBase: 264_170,
      serverName: operator.serverName,
      homeserverPort: operator.homeserver.port,
      homeserverUrl: operator.homeserver.url,
      machine: parseMachineName('machine/laptop'),
      joined: true,
      build: 'test',
    });
    const out = join(operator.directory, 'laptop.json');
    await call('machine provision', { machine: 'laptop', out });
    const there = await joinMachine(await readInvitation(out, Readable.from([])), operator.context({ paths: joined }));
    // What this host is, is another machine; its room is of no matter here.
    const here = {
      ...there,
      machine: parseMachineName('machine/own'),
      userId: parseUserId('@machine/own:bureau.test'),
      recipient: 'age1none',
    };
    writeMachine(own, here, 0);
    const { templateRoom } = there;
    await admin().setState(templateRoom, 'm.bureau.template', 'default', { v: 1, description: 'The default' });
  });
  after(async () => {
    for (const paths of [own, joined])
      for (const directory of [paths.runDir, paths.stateDir, paths.configDir, paths.logDir])
        rmSync(directory, { recursive: true, force: true });
    await operator[Symbol.asyncDispose]();
  });

  test('nothing is sealed for a machine whose key nobody has pinned, nor for one that there is not', async () => {
    await refused(deploy(FAR), 'machine_refused');
    await refused(deploy(FAR, { machine: 'nobody' }), 'machine_unknown');
    const { configRoom } = readMachine(joined);
    assert.equal(await admin().state(configRoom, 'm.bureau.credentials', FAR), undefined);
    assert.equal(await admin().state(configRoom, 'm.bureau.assignment', FAR), undefined);
    await call('machine confirm', { machine: 'laptop', recipient });
  });

  test('its keys are sealed to that machine’s pinned key, its assignment is in that machine’s room', async () => {
    await deploy(FAR);
    const { configRoom } = readMachine(joined);
    const credentials = await admin().state(configRoom, 'm.bureau.credentials', FAR);
    assert.equal((credentials?.['recipients'] as readonly string[] | undefined)?.[0], recipient);
    const assignment = await admin().state(configRoom, 'm.bureau.assignment', FAR);
    assert.deepEqual([assignment?.['principal'], assignment?.['command'], assignment?.['generation']], [FAR, ['true'], 0]);
    await deploy(FAR);
    assert.equal((await admin().state(configRoom, 'm.bureau.assignment', FAR))?.['generation'], 1);
  });

  test('it is waited for by what that machine says in its room, and nobody else', async () => {
    const { configRoom } = readMachine(joined);
    const says = (client: MatrixClient, state: string, generation: number): Promise<string> =>
      client.setState(configRoom, 'm.bureau.principal_status', FAR, {
        v: 1,
        principal: FAR,
        state,
        restarts: 0,
        generation,
        observedGeneration: generation,
      });
    await says(admin(), 'running', 2);
    const lookedTwice = Promise.withResolvers<'nothing'>();
    let looks = 0;
    const clock: Clock = {
      now: () => systemClock.now(),
      monotonic: () => systemClock.monotonic(),
      setTimer: (milliseconds, callback) => {
        if (milliseconds === LOOK_MILLISECONDS && (looks += 1) === 2) lookedTwice.resolve('nothing');
        return systemClock.setTimer(milliseconds, callback);
      },
    };
    const input = { principal: FAR, command: ['true'], machine: 'laptop' };
    const waiting = operator.call<Record<string, unknown>>(operationNamed('agent deploy'), input, { paths: own, clock });
    assert.equal(await Promise.race([waiting, lookedTwice.promise]), 'nothing', 'an operator’s word is not the machine’s');
    await says(laptop(), 'running', 2);
    const { status } = await waiting;
    assert.deepEqual((status as { state: string; observedGeneration: number }).observedGeneration, 2);
    await says(laptop(), 'blocked', 3);
    await refused(deploy(FAR, { wait: true }), 'blocked');
  });

  test('what another machine is to run is not given to this one as well', async () => {
    const { room_id: room } = await call('machine provision', { machine: 'other', out: join(operator.directory, 'other.json') });
    const assign = (content: object): Promise<string> =>
      admin().setState(parseRoomId(String(room)), 'm.bureau.assignment', 'far/twice', { ...content });
    await assign({ v: 1, principal: 'far/twice', command: ['true'] });
    const error = await refused(deploy('far/twice'), 'assigned_elsewhere');
    assert.match(error.message, /is assigned to machine\/other; .*--machine other/);
    await assign({});
    await deploy('far/twice');
  });

  test('a key that has changed is not sealed to, and yet what is there can be taken away', async () => {
    const { configRoom, userId } = readMachine(joined);
    const published = await laptop().state(configRoom, 'm.bureau.machine_key', userId);
    await laptop().setState(configRoom, 'm.bureau.machine_key', userId, { ...published, recipient: `${recipient.slice(0, -4)}qqqq` });
    await refused(deploy('far/other'), 'machine_refused');
    const { workspace } = await call('agent remove', { principal: FAR, machine: 'laptop' });
    assert.equal(workspace, null);
    assert.deepEqual(await admin().state(configRoom, 'm.bureau.assignment', FAR), {});
    assert.deepEqual(await admin().state(configRoom, 'm.bureau.credentials', FAR), {});
  });
});
