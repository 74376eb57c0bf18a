// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseMachineName, parseServerName, parseUserId } from '@bureau/core';
import { EVENT_TYPES } from '@bureau/protocol';
import { OPERATOR_LEVEL, furtherOperators, powerLevelDifferences, powerLevels, repairedPowerLevels } from './power-levels.ts';
import { INITIAL_STATE, childIsLinked, roomFaults, roomOrigin } from './room-state.ts';
import { BUREAU_SPACE, STANDARD_ROOMS, machineConfigRoom } from './rooms.ts';
import type { StateEvent } from './schemas.ts';
import { templateState } from './templates.ts';

const OWNER = parseUserId('@bureau-admin:bureau.test');
const ALL = [BUREAU_SPACE, ...STANDARD_ROOMS, machineConfigRoom(parseMachineName('machine/one'), parseServerName('bureau.test'))];
const ROOM_12 = { creator: OWNER, roomVersion: '12' };
const ROOM_11 = { creator: OWNER, roomVersion: '11' };

describe('rooms as data', () => {
  test("the aliases and keys are the playbook's", () => {
    assert.deepEqual(
      [BUREAU_SPACE, ...STANDARD_ROOMS].map(({ alias, credentialKey }) => `${alias} ${credentialKey}`),
      [
        'bureau MATRIX_SPACE_ROOM',
        'bureau/agents MATRIX_AGENTS_ROOM',
        'bureau/system MATRIX_SYSTEM_ROOM',
        'bureau/machine MATRIX_MACHINE_ROOM',
        'bureau/service MATRIX_SERVICE_ROOM',
        'bureau/template MATRIX_TEMPLATE_ROOM',
        'bureau/pipeline MATRIX_PIPELINE_ROOM',
        'bureau/artifact MATRIX_ARTIFACT_ROOM',
      ],
    );
  });

  test('each lower level is one of a short list, and has a reason', () => {
    const lower = ALL.flatMap(({ label, powers }) => [
      ...(powers.messages === undefined ? [] : [[label, 'messages', powers.messages] as const]),
      ...Object.entries({ ...powers.events, ...powers.users }).map(([name, level]) => [label, name, level] as const),
    ]);
    assert.deepEqual(
      lower.map(([label, name, { level }]) => `${label} ${name} ${level}`),
      [
        'agents messages 0',
        'system messages 0',
        'machine m.bureau.machine_key 0',
        'service m.bureau.service 0',
        'machine/one messages 25',
        'machine/one m.bureau.machine_key 25',
        'machine/one m.bureau.machine_status 25',
        'machine/one m.bureau.machine_info 25',
        'machine/one m.bureau.machine_load 25',
        'machine/one m.bureau.principal_status 25',
        'machine/one @machine/one:bureau.test 25',
      ],
    );
    for (const [, , { reason }] of lower) assert.ok(reason.length > 20);
  });

  test('agents may not be in config, system and machine rooms, and each rule has a reason', () => {
    assert.deepEqual(
      ALL.filter(({ agents }) => !agents.admitted).map(({ label }) => label),
      ['system', 'machine', 'machine/one'],
    );
    for (const { agents } of ALL) assert.ok(agents.reason.length > 10);
  });

  test("everything else is the operators', in both room versions, and all our types are named", () => {
    for (const kind of ALL) {
      for (const room of [ROOM_12, ROOM_11]) {
        const levels = powerLevels(kind.powers, room);
        assert.equal(levels.state_default, OPERATOR_LEVEL);
        assert.equal(levels.users_default, 0);
        for (const right of ['ban', 'kick', 'redact', 'invite'] as const) assert.equal(levels[right], OPERATOR_LEVEL);
        for (const type of [...Object.values(EVENT_TYPES), 'm.room.power_levels', 'm.room.encryption'])
          assert.equal(typeof levels.events[type], 'number', type);
        assert.equal(levels.users[OWNER], room === ROOM_11 ? OPERATOR_LEVEL : undefined);
      }
    }
  });
});

describe('power level differences', () => {
  const expected = powerLevels(BUREAU_SPACE.powers, ROOM_11);
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ['state_default', { ...expected, state_default: 50 }, /^state_default is 50 and should be 100$/],
    ['absent scalar', { ...expected, invite: undefined }, /^invite is 0 and should be 100$/],
    ['level as text', { ...expected, ban: '100' }, /^ban is "100" and should be 100$/],
    ['notifications', { ...expected, notifications: {} }, /^notifications.room is 50/],
    ['event lowered', { ...expected, events: { ...expected.events, 'm.room.name': 0 } }, /^m.room.name is 0/],
    [
      'event unlisted',
      { ...expected, events: Object.fromEntries(Object.entries(expected.events).filter(([type]) => type !== 'm.room.name')) },
      /^m.room.name is nothing/,
    ],
    ['foreign event lowered', { ...expected, events: { ...expected.events, 'org.x': 10 } }, /^org.x is 10 and should not be listed$/],
    ['half an operator', { ...expected, users: { ...expected.users, '@x:y': 99 } }, /^@x:y is 99/],
    ['negative', { ...expected, users: { ...expected.users, '@x:y': -1 } }, /^@x:y is -1/],
    ['creator gone (11)', { ...expected, users: {} }, /^@bureau-admin:bureau.test is nothing/],
    ['users is a list', { ...expected, users: [] }, /^@bureau-admin/],
  ];
  for (const [name, actual, message] of cases) {
    test(`finds: ${name}; and repairs it`, () => {
      assert.match(powerLevelDifferences(expected, actual).join('\n'), message);
      assert.deepEqual(powerLevelDifferences(expected, { ...repairedPowerLevels(expected, actual) }), []);
    });
  }
  test('tolerates further operators, raised foreign types and plain members, and keeps the operators only', () => {
    const actual = { ...expected, events: { ...expected.events, 'org.x': 100 }, users: { ...expected.users, '@ben:y': 100, '@eve:y': 0 } };
    assert.deepEqual(powerLevelDifferences(expected, actual), []);
    assert.deepEqual(furtherOperators(expected, actual), ['@ben:y']);
    assert.deepEqual(repairedPowerLevels(expected, actual), { ...expected, users: { ...expected.users, '@ben:y': 100 } });
  });
  test('everything is a difference to nothing', () => assert.ok(powerLevelDifferences(expected, {}).length > 20));
});

describe('room state', () => {
  const event = (type: string, content: Record<string, unknown>, sender: string = OWNER): StateEvent => ({
    type,
    state_key: '',
    sender,
    content,
  });
  const right = [
    event('m.room.create', { room_version: '12' }),
    event('m.room.power_levels', { ...powerLevels(STANDARD_ROOMS[0]?.powers ?? { events: {} }, ROOM_12) }),
    ...INITIAL_STATE.map(({ type, content }) => event(type, content)),
  ];
  const kind = STANDARD_ROOMS[0] ?? BUREAU_SPACE;

  test('roomFaults finds nothing in a right room, and each thing that was altered', () => {
    assert.deepEqual(roomFaults(kind, right, ROOM_12), []);
    const altered = (type: string, content: Record<string, unknown>): StateEvent[] => [
      ...right.filter((one) => one.type !== type),
      event(type, content),
    ];
    const found = (state: StateEvent[]): string[] => roomFaults(kind, state, ROOM_12).map(({ check }) => check);
    assert.deepEqual(found(altered('m.room.join_rules', { join_rule: 'public' })), ['join rules']);
    assert.deepEqual(found(altered('m.room.join_rules', {})), ['join rules']);
    assert.deepEqual(found(altered('m.room.guest_access', { guest_access: 'can_join' })), ['guest access']);
    assert.deepEqual(found(altered('m.room.history_visibility', { history_visibility: 'world_readable' })), ['history visibility']);
    assert.deepEqual(found(altered('m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' })), ['encryption']);
    assert.deepEqual(found(altered('m.room.power_levels', {})), ['power levels']);
  });

  test('roomFaults finds agents where none may be: by the form of their names, and by what is assigned', () => {
    const member = (user: string, membership: string): StateEvent => ({ ...event('m.room.member', { membership }), state_key: user });
    const state = [
      ...right,
      { ...event('m.bureau.assignment', {}), state_key: 'plain' },
      member('@iree/pm:bureau.test', 'join'),
      member('@service/git:bureau.test', 'invite'),
      member('@plain:bureau.test', 'join'),
      member('@told:bureau.test', 'join'),
      member('@iree/gone:bureau.test', 'leave'),
      member('@iree/banned:bureau.test', 'ban'),
      member('@machine/one:bureau.test', 'join'),
      member('@bureau/homeserver-admin:bureau.test', 'join'),
      member('@ben:bureau.test', 'join'),
    ];
    const closed = { ...kind, agents: { admitted: false, reason: 'they would read it' } };
    assert.deepEqual(roomFaults(kind, state, ROOM_12), [], 'where they are admitted nothing is found');
    const [fault, ...others] = roomFaults(closed, state, { ...ROOM_12, assigned: new Set(['told']) });
    assert.deepEqual([others, fault?.check], [[], 'agents']);
    assert.deepEqual(
      fault?.repairs?.map(({ type, stateKey, content }) => [type, stateKey, content['membership']]),
      ['@iree/pm', '@plain', '@service/git', '@told'].map((name) => ['m.room.member', `${name}:bureau.test`, 'leave']),
    );
  });

  test('roomOrigin tells maker, version, kind and further creators', () => {
    assert.deepEqual(roomOrigin(right), { creator: OWNER, roomVersion: '12', space: false, furtherCreators: [] });
    assert.deepEqual(roomOrigin([event('m.room.create', { type: 'm.space', additional_creators: ['@eve:x', 7] }, '@eve:x')]), {
      creator: '@eve:x',
      roomVersion: '1',
      space: true,
      furtherCreators: ['@eve:x'],
    });
    assert.equal(roomOrigin([]), undefined);
  });

  test('childIsLinked needs a server', () => {
    assert.equal(childIsLinked({ via: ['bureau.test'] }), true);
    for (const content of [undefined, {}, { via: [] }, { via: 'bureau.test' }, { via: [7] }]) assert.equal(childIsLinked(content), false);
  });
});

test('templateState tells apart what to write and what to keep', () => {
  const content = { v: 1, description: 'now' };
  const state = (published: Record<string, unknown> | undefined): string =>
    templateState({ content, earlier: [{ v: 1, description: 'before' }] }, published);
  assert.equal(state(undefined), 'missing');
  assert.equal(state({}), 'missing');
  assert.equal(state({ v: 1 }), 'broken');
  assert.equal(state({ v: '3' }), 'broken');
  assert.equal(state({ v: 3 }), 'newer');
  assert.equal(state({ description: 'now', v: 1 }), 'current', 'the order of keys says nothing');
  assert.equal(state({ v: 1, description: 'before' }), 'earlier');
  assert.equal(state({ v: 1, description: 'before', gpu: true }), 'own');
});
