// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseRoomId } from '@bureau/core';
import { COMMAND_AGE_MAX, COMMAND_AHEAD_MAX, RATE_MAX, RATE_WINDOW, RIGHTS_RETRY_MILLISECONDS } from './limits.ts';
import { CONFIG_ROOM, MACHINE, OPERATOR, START, command, machine, settle } from './room-commands.fixture.testing.ts';

test('a command of an operator is carried out, answered in its thread, audited once (the control of all that follows)', async (context) => {
  const { commands, done, answers, audited } = machine(context);
  commands.take(CONFIG_ROOM, [command('$1')]);
  await settle();
  assert.deepEqual(done, ['restart demo/one']);
  assert.deepEqual(answers, [{ event: '$1', status: 'success', code: undefined, body: 'restarted' }]);
  assert.deepEqual(audited, [{ who: OPERATOR, what: 'command agent.restart', target: 'demo/one', result: 'ok' }]);
});

test('who stops an agent is who sent the command, as the homeserver says', async (context) => {
  const { commands, done } = machine(context);
  commands.take(CONFIG_ROOM, [command('$1', {}, { command: 'agent.stop', sender: '@other:bureau.test' })]);
  await settle();
  assert.deepEqual(done, [`stop demo/one for ${OPERATOR}`]);
});

const LOW = '@low:bureau.test';
const LOOK_ALIKE = '@bureau-admin:bureau.test.example';

for (const [name, event, code] of [
  ['a member without power', command('$1', { sender: LOW }), 'forbidden'],
  ['a look-alike of the operator', command('$1', { sender: LOOK_ALIKE }), 'forbidden'],
  ['one who only may look', command('$1', { sender: '@looker:bureau.test' }), 'forbidden'],
  ['one who rose after it was sent', command('$1', { sender: '@risen:bureau.test' }), 'forbidden'],
  ['one who fell since it was sent', command('$1', { sender: '@fallen:bureau.test' }), 'forbidden'],
  ['one who left since it was sent', command('$1', { sender: '@left:bureau.test' }), 'forbidden'],
  [
    'a sender forged in the content',
    command('$1', { sender: LOW }, { sender: OPERATOR, sender_machine: OPERATOR, user_id: OPERATOR }),
    'forbidden',
  ],
  ['a command that there is not', command('$1', {}, { command: 'agent.fly' }), 'command_unknown'],
  ['a name of every object', command('$1', {}, { command: 'constructor.name' }), 'command_unknown'],
  ['parameters that are none', command('$1', {}, { parameters: { principal: '../../etc' } }), 'parameters_malformed'],
  ['parameters that nobody asked for', command('$1', {}, { parameters: { principal: 'demo/one', force: true } }), 'parameters_malformed'],
  ['a principal of 60,000 characters', command('$1', {}, { parameters: { principal: 'x'.repeat(60_000) } }), 'parameters_malformed'],
  ['a body of 60,000 characters', command('$1', {}, { body: 'x'.repeat(60_000) }), 'command_malformed'],
  ['another machine', command('$1', {}, { machine: '@machine/two:bureau.test' }), 'wrong_machine'],
  ['a newer Bureau', command('$1', {}, { v: 2 }), 'command_newer'],
  ['one that is old', command('$1', { at: START - COMMAND_AGE_MAX - 1 }), 'command_old'],
  ['one from the future', command('$1', { at: START + COMMAND_AHEAD_MAX + 1 }), 'command_ahead'],
] as const) {
  test(`a command is refused, and the refusal told and audited: ${name}`, async (context) => {
    const { commands, done, answers, audited, state } = machine(context);
    const standing = (power: number, joined = true) => ({ power, joined });
    state.rights.set('@looker:bureau.test', { whenSent: standing(50), now: standing(50) });
    state.rights.set('@risen:bureau.test', { whenSent: standing(0), now: standing(100) });
    state.rights.set('@fallen:bureau.test', { whenSent: standing(100), now: standing(0) });
    state.rights.set('@left:bureau.test', { whenSent: standing(100), now: standing(100, false) });
    commands.take(CONFIG_ROOM, [event]);
    await settle();
    assert.deepEqual(done, []);
    assert.deepEqual(
      answers.map(({ event: id, status, code: found }) => [id, status, found]),
      [['$1', 'error', code]],
    );
    assert.deepEqual(
      audited.map(({ who, result, reason }) => [who, result, reason]),
      [[event.sender, 'refused', code]],
    );
  });
}

for (const [name, room, event] of [
  ['in another room', parseRoomId('!other:bureau.test'), command('$1')],
  ['an edit', CONFIG_ROOM, command('$1', {}, { 'm.relates_to': { rel_type: 'm.replace', event_id: '$0' }, 'm.new_content': {} })],
  ['a redacted one', CONFIG_ROOM, { ...command('$1'), content: {} }],
  ['the machine’s own', CONFIG_ROOM, command('$1', { sender: MACHINE })],
  ['words of people', CONFIG_ROOM, command('$1', {}, { msgtype: 'm.text', body: 'agent.restart demo/one' })],
  ['a result', CONFIG_ROOM, command('$1', {}, { msgtype: 'm.bureau.command_result' })],
  ['one without a request ID', CONFIG_ROOM, command('$1', {}, { request: undefined })],
  ['one whose request ID is a list', CONFIG_ROOM, command('$1', {}, { request: ['request-1'] })],
] as const) {
  test(`is no command, and nothing is said: ${name}`, async (context) => {
    const { commands, done, answers, audited } = machine(context);
    commands.take(room, [event]);
    await settle();
    assert.deepEqual([done, answers, audited], [[], [], []]);
  });
}

test('the same event again does nothing; the same request ID in another event is refused, but another sender may use it', async (context) => {
  const { commands, done, answers, state } = machine(context);
  state.rights.set('@ben:bureau.test', { whenSent: { power: 100, joined: true }, now: { power: 100, joined: true } });
  const request = { request: 'request-same' };
  commands.take(CONFIG_ROOM, [command('$1', {}, request)]);
  commands.take(CONFIG_ROOM, [
    command('$1', {}, request),
    command('$2', {}, request),
    command('$3', { sender: '@ben:bureau.test' }, request),
  ]);
  await settle();
  assert.deepEqual(done, ['restart demo/one', 'restart demo/one']);
  assert.deepEqual(answers.map(({ event, code }) => [event, code]).toSorted(), [
    ['$1', undefined],
    ['$2', 'request_repeated'],
    ['$3', undefined],
  ]);
});

test('nothing is carried out twice across a restart: what was begun is told as interrupted, what waited is carried out', async (context) => {
  const first = machine(context);
  const { promise, resolve } = Promise.withResolvers<void>();
  first.state.gate = promise;
  first.commands.take(CONFIG_ROOM, [command('$1'), command('$2', {}, { parameters: { principal: 'demo/two' } })]);
  await settle();
  assert.deepEqual(first.done, ['restart demo/one'], 'the second waits');
  first.commands.stop();

  const second = machine(context, first.directory);
  second.commands.start();
  second.commands.take(CONFIG_ROOM, [command('$1'), command('$2', {}, { parameters: { principal: 'demo/two' } })]);
  await settle();
  assert.deepEqual(second.done, ['restart demo/two']);
  assert.deepEqual(
    second.answers.map(({ event, code }) => [event, code]),
    [
      ['$1', 'interrupted'],
      ['$2', undefined],
    ],
  );

  const third = machine(context, first.directory);
  third.commands.start();
  third.commands.take(CONFIG_ROOM, [command('$1'), command('$2'), command('$3', {}, { request: 'request-1' })]);
  await settle();
  assert.deepEqual([third.done, third.answers.map(({ code }) => code)], [[], ['request_repeated']]);
  resolve();
});

test('what waited too long while the machine was away is not carried out any more', async (context) => {
  const first = machine(context);
  first.state.rights.set(OPERATOR, new Error('the homeserver is away'));
  first.commands.take(CONFIG_ROOM, [command('$1')]);
  await settle();
  for (let waited = 0; waited <= COMMAND_AGE_MAX; waited += RIGHTS_RETRY_MILLISECONDS) {
    first.clock.advance(RIGHTS_RETRY_MILLISECONDS);
    await settle();
    if (first.answers.length > 0) break;
  }
  assert.deepEqual([first.done, first.answers.map(({ code }) => code)], [[], ['rights_unknown']]);
});

test('a flood is bounded per sender: one refusal, then silence; others are served, and after a minute so is the sender', async (context) => {
  const { commands, done, answers, clock, state } = machine(context);
  state.rights.set('@ben:bureau.test', { whenSent: { power: 100, joined: true }, now: { power: 100, joined: true } });
  for (let at = 0; at < 10 * RATE_MAX; at += 1) {
    commands.take(CONFIG_ROOM, [command(`$flood${at}`)]);
    await settle();
  }
  assert.deepEqual([done.length, answers.filter(({ code }) => code === 'rate_limited').length], [RATE_MAX, 1]);
  commands.take(CONFIG_ROOM, [command('$ben', { sender: '@ben:bureau.test' })]);
  await settle();
  assert.equal(done.length, RATE_MAX + 1);
  clock.advance(RATE_WINDOW);
  commands.take(CONFIG_ROOM, [command('$later')]);
  await settle();
  assert.equal(done.length, RATE_MAX + 2);
});

test('what cannot be recorded is not carried out', async (context) => {
  const { commands, done, directory } = machine(context);
  // In place of the file, so that root cannot write it either.
  mkdirSync(join(directory, 'commands.sqlite'));
  commands.take(CONFIG_ROOM, [command('$1')]);
  await settle();
  assert.deepEqual(done, []);
  rmSync(join(directory, 'commands.sqlite'), { recursive: true });
  chmodSync(directory, 0o700);
  commands.take(CONFIG_ROOM, [command('$1')]);
  await settle();
  assert.deepEqual(done, ['restart demo/one'], 'the control: with a disk that takes it');
});
