// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseRoomId, type RoomId } from '@bureau/core';
import { MatrixClient, readCredentialFile } from '@bureau/matrix';
import { systemClock } from '@bureau/process';
import { EVENT_TYPES } from '@bureau/protocol';
import { TestOperator, operationNamed, refused } from '../matrix/test-operator.ts';
import type { AnyOperation } from '../registry/operation.ts';
import type { TemplateFinding } from './findings.ts';

const UID = 264_133;

let operator: TestOperator;
let client: MatrixClient;
let room: RoomId;
before(async () => {
  operator = await TestOperator.start(UID);
  client = new MatrixClient({ homeserverUrl: operator.homeserver.url, token: operator.token, clock: systemClock });
  room = parseRoomId(readCredentialFile(operator.credentialFile).get('MATRIX_TEMPLATE_ROOM') ?? '');
});
after(async () => await operator[Symbol.asyncDispose]());

function operation(name: string): AnyOperation {
  return operationNamed(`template ${name}`);
}

function call<Result>(name: string, input: Readonly<Record<string, unknown>>): Promise<Result> {
  return operator.call<Result>(operation(name), input);
}

function render(name: string, result: unknown): string {
  return operation(name).render?.(result as never) ?? '';
}

/** A file with a template in it. */
function file(name: string, text: string): string {
  const path = join(operator.directory, `${name}.jsonc`);
  writeFileSync(path, text);
  return path;
}

interface Pushed {
  readonly outcome: string;
  readonly event_id: string;
  readonly differences: readonly { readonly path: string }[];
}

const LIMITED = `{
  // what every tool of ours keeps to
  "description": "limited",
  "command": ["tool"],
  "environment": { "INDEX": "https://index.example" },
  "resources": { "memory": 1073741824 },
  "locked": ["resources.memory", "environment.INDEX"],
}`;

test('push publishes what is new, keeps what is the same, and tells what it changes', async () => {
  const path = file('limited', LIMITED);
  const dry = await call<Pushed>('push', { source: path, dry_run: true });
  assert.equal(dry.outcome, 'would be published');
  assert.equal(await client.state(room, EVENT_TYPES.template, 'limited'), undefined);
  const first = await call<Pushed>('push', { source: path });
  assert.equal(first.outcome, 'published');
  assert.deepEqual(first.differences.map((each) => each.path).toSorted(), [
    'command',
    'description',
    'environment.INDEX',
    'locked',
    'resources.memory',
  ]);
  const content = await client.state(room, EVENT_TYPES.template, 'limited');
  assert.deepEqual([content?.['v'], content?.['command']], [2, ['tool']]);
  const again = await call<Pushed>('push', { source: file('limited', `// only a comment more\n${LIMITED}`) });
  assert.deepEqual([again.outcome, again.event_id, again.differences], ['kept', first.event_id, []]);
  const other = await call<Pushed>('push', { source: file('limited', LIMITED.replace('["tool"]', '["tool", "-v"]')) });
  assert.deepEqual([other.outcome, other.differences.map((each) => each.path)], ['published', ['command']]);
  assert.match(render('push', other), /^- command: \["tool"\]\n\+ command: \["tool","-v"\]\ntemplate "limited" is published: \$/);
});

test('push writes the oldest version that says it all', async () => {
  await call('push', { source: file('plain', '{ "description": "plain", "command": ["x"] }') });
  assert.equal((await client.state(room, EVENT_TYPES.template, 'plain'))?.['v'], 1);
});

test('push with --expect writes over nothing that somebody else has written', async () => {
  const of = (command: string): string => file('shared', `{ "description": "shared", "command": ["${command}"] }`);
  await refused(call('push', { source: of('one'), expect: '$other' }), 'template_changed');
  const first = await call<Pushed>('push', { source: of('one'), expect: 'none' });
  await refused(call('push', { source: of('two'), expect: 'none' }), 'template_changed');
  const theirs = await call<Pushed>('push', { source: of('theirs') });
  const error = await refused(call('push', { source: of('two'), expect: first.event_id }), 'template_changed');
  assert.ok(error.message.includes(theirs.event_id));
  const second = await call<Pushed>('push', { source: of('two'), expect: theirs.event_id });
  assert.equal(second.outcome, 'published');
});

test('push does not write over what a newer Bureau has written', async () => {
  await client.setState(room, EVENT_TYPES.template, 'future', { v: 3, description: 'x', anything: true });
  await refused(call('push', { source: file('future', '{ "description": "ours" }') }), 'event_newer');
  assert.equal((await client.state(room, EVENT_TYPES.template, 'future'))?.['v'], 3);
});

describe('what cannot be right is refused at push, with place and what was meant', () => {
  const cases: readonly [what: string, text: string, message: RegExp, finding?: Partial<TemplateFinding>][] = [
    ['what is no JSON', '{\n  "description": hello\n}', /:2:18: error: this is not JSON: invalid symbol/],
    [
      'a misspelt field',
      '{\n  "description": "x",\n  "comand": ["x"]\n}',
      /:3:3: error: comand: there is no such field; did you mean "command"\?/,
    ],
    [
      'a misspelt limit',
      '{ "description": "x",\n  "resources": {\n    "memroy": 1073741824 } }',
      /:3:5: error: resources\.memroy: there is no such field; did you mean "memory"\?/,
      { path: 'resources.memroy', nearest: 'memory', line: 3, column: 5 },
    ],
    ['a wrong choice', '{ "description": "x", "profile": "strickt" }', /profile: .*did you mean "strict"\?/],
    ['a wrong number', '{ "description": "x", "resources": { "pids": 1 } }', /:1:\d+: error: resources\.pids: /],
    ['a missing field', '{ "command": ["x"] }', /description: it is missing/],
    [
      'an unknown parent',
      '{ "description": "x", "inherits": [\n "plian" ] }',
      /:2:2: error: inherits\[0\]: there is no template "plian"; did you mean "plain"\?/,
    ],
    ['itself as a parent', '{ "description": "x", "inherits": ["wrong"] }', /inherits: it would inherit itself: wrong → wrong/],
    [
      'more than an ancestor allows',
      '{ "description": "x", "inherits": ["limited"],\n  "resources": { "memory": 2147483648 } }',
      /:2:\d+: error: resources\.memory: expected 1073741824 or less, which template "limited" locks; found 2147483648/,
      { path: 'resources.memory', locked_by: 'limited' },
    ],
    [
      'a lock on nothing',
      '{ "description": "x", "locked": ["mountz"] }',
      /locked\[0\]: there is no field "mountz" to lock; did you mean "mounts"\?/,
    ],
    [
      'a mount over Bureau’s own places',
      '{ "description": "x", "mounts": [{ "type": "tmpfs", "destination": "/proc/x" }] }',
      /error: .*mount_destination/,
    ],
    [
      'a source that no machine allows',
      '{ "description": "x", "mounts": [{ "type": "bind", "source": "/etc/shadow", "destination": "/s" }] }',
      /error: .*mount_source_forbidden/,
    ],
    [
      'a variable that is none',
      '{ "description": "x", "environment": { "A": "${HOSTNAME}" } }',
      /error: environment\.A: .*there is no variable "HOSTNAME"/,
    ],
    ['a variable of Bureau’s', '{ "description": "x", "environment": { "BUREAU_X": "1" } }', /environment_reserved/],
    ['a fraction', '{ "description": "x", "payload": { "a": [1, 0.5] } }', /payload\.a\[1\]: expected an integer/],
    ['too much', `{ "description": "x", "payload": { "a": "${'x'.repeat(61_000)}" } }`, /at most 60000 bytes/],
    ['version 1 with what it cannot say', '{ "v": 1, "description": "x", "inherits": ["plain"] }', /v: expected 2/],
  ];
  for (const [what, text, message, finding] of cases) {
    test(what, async () => {
      const source = file('wrong', text);
      assert.match((await refused(call('push', { source }), 'template_wrong')).message, message);
      const { ok, findings } = await call<{ ok: boolean; findings: TemplateFinding[] }>('validate', { source });
      assert.equal(ok, false);
      if (finding !== undefined) assert.deepEqual({ ...findings[0], ...finding }, findings[0]);
      assert.equal(await client.state(room, EVENT_TYPES.template, 'wrong'), undefined, 'nothing was written');
    });
  }

  test('several faults are told at once, and a push that would break a child', async () => {
    const { findings } = await call<{ findings: TemplateFinding[] }>('validate', {
      source: file('wrong', '{ "comand": 1, "profile": "x", "environment": { "A-B": "1", "B": 2 } }'),
    });
    assert.deepEqual(findings.map(({ path }) => path).toSorted(), ['comand', 'description', 'environment.A-B', 'environment.B', 'profile']);
    await call('push', { source: file('child', '{ "description": "c", "inherits": ["plain"], "profile": "default" }') });
    const breaking = file('plain', '{ "description": "plain", "command": ["x"], "profile": "strict", "locked": ["profile"] }');
    assert.match(
      (await refused(call('push', { source: breaking }), 'template_wrong')).message,
      /it would break another: template "child" is wrong: profile: expected "strict", which template "plain" locks; found "default"/,
    );
  });

  test('what this machine would refuse and another may allow is a warning', async () => {
    const source = file('warned', '{ "description": "x", "mounts": [{ "type": "bind", "source": "/srv/models", "destination": "/m" }] }');
    const { ok, findings } = await call<{ ok: boolean; findings: TemplateFinding[] }>('validate', { source });
    assert.equal(ok, true);
    assert.match(
      findings.map(({ level, message }) => `${level} ${message}`).join(),
      /^warning this machine would not start it: .*mount_source_not_listed/,
    );
  });
});

test('resolve shows what comes of a template, and who says and locks each part', async () => {
  await call('push', { source: file('limited', LIMITED) });
  const source = file(
    'tool',
    '{ "description": "t", "inherits": ["limited"], "environment": { "MORE": "1" }, "resources": { "memory": 536870912 } }',
  );
  const resolved = await call<{
    lineage: string[];
    fields: Record<string, unknown>;
    origins: { path: string; from: string[]; locked_by: string[] }[];
  }>('resolve', { source });
  assert.deepEqual(resolved.lineage, ['limited', 'tool']);
  assert.deepEqual(resolved.fields['environment'], { INDEX: 'https://index.example', MORE: '1' });
  const origin = (path: string): unknown =>
    resolved.origins.flatMap((each) => (each.path === path ? [[each.from, each.locked_by]] : []))[0];
  assert.deepEqual(origin('environment.INDEX'), [['limited'], ['limited']]);
  assert.deepEqual(origin('resources.memory'), [['tool'], ['limited']]);
  assert.deepEqual(origin('command'), [['limited'], []]);
  assert.match(render('resolve', resolved), /^limited → tool\nFIELD +FROM +LOCKED BY +VALUE\n/);
});

test('list, show, diff and history say what the room has', async () => {
  await call('push', { source: file('told', '{ "description": "first", "command": ["a"] }') });
  await call('push', { source: file('told', '{ "description": "second", "command": ["a"] }') });
  await client.setState(room, EVENT_TYPES.template, 'told', {});
  await client.setState(room, EVENT_TYPES.template, 'told', { v: 1, description: 'by hand', inherits: ['nothing'] });
  const listed = await call<{ templates: { name: string; fault: string | null; sender: string }[] }>('list', {});
  const told = listed.templates.find(({ name }) => name === 'told');
  assert.match(told?.fault ?? '', /"told" is wrong: .*need "v": 2/);
  assert.equal(listed.templates.find(({ name }) => name === 'default')?.fault, null);
  assert.match(render('list', listed), /^NAME +INHERITS +WHAT IT IS\n/);
  const shown = await call<{ content: Record<string, unknown> }>('show', { template: 'told' });
  assert.equal(shown.content['description'], 'by hand');
  assert.match((await refused(call('show', { template: 'defualt' }), 'not_found')).message, /did you mean "default"\?/);
  const history = await call<{ changes: { what: string; sender: string; at: number; differences: unknown[] }[]; more: boolean }>(
    'history',
    {
      template: 'told',
    },
  );
  assert.deepEqual(
    history.changes.map(({ what }) => what),
    ['unreadable', 'taken back', 'changed', 'published'],
  );
  assert.deepEqual(history.changes[2]?.differences, [{ path: 'description', before: 'first', after: 'second' }]);
  assert.ok(history.changes.every(({ sender, at }) => sender === '@bureau-admin:bureau.test' && at > 0));
  const short = await call<{ changes: unknown[]; more: boolean }>('history', { template: 'told', limit: 1 });
  assert.deepEqual([short.changes.length, short.more], [1, true]);
  assert.match((await refused(call('history', { template: 'never' }), 'not_found')).message, /never been a template "never"/);
  const differing = await call<{ published: boolean; own: { path: string }[] }>('diff', {
    source: file('told', '{ "description": "third", "command": ["a"] }'),
  });
  assert.equal(differing.published, true);
});

test('templates of another room are named by their room, and copied from there', async () => {
  const other = await client.createRoom({ roomVersion: '11', name: 'other', topic: '', aliasLocalpart: 'team/templates', powerLevels: {} });
  await client.setState(other, EVENT_TYPES.template, 'tool', { v: 1, description: 'theirs', command: ['tool'] });
  const shown = await call<{ room_id: string }>('show', { template: 'team/templates:tool' });
  assert.equal(shown.room_id, other);
  assert.equal((await call<{ room_id: string }>('show', { template: `${other}:tool` })).room_id, other);
  const copied = await call<Pushed>('push', { source: 'team/templates:tool', as: 'copied' });
  assert.equal(copied.outcome, 'published');
  assert.equal((await client.state(room, EVENT_TYPES.template, 'copied'))?.['description'], 'theirs');
  await refused(
    call('push', { source: file('x', '{ "description": "x", "inherits": ["default"] }'), as: 'team/templates:x' }),
    'template_wrong',
  );
});

test('a source is a file, an https URL, or a template of a room', async () => {
  for (const source of ['http://127.0.0.1/x.json', 'file:///etc/passwd', 'ftp://x/y.jsonc', 'https://u:p@127.0.0.1/x.json'])
    await refused(call('validate', { source, as: 'x' }), 'source_refused');
  await refused(call('validate', { source: join(operator.directory, 'missing.jsonc') }), 'file_missing');
  await refused(call('validate', { source: 'https://127.0.0.1:1/x.json#sha256=abc' }), 'source_refused');
  await refused(call('validate', { source: 'https://127.0.0.1:1/x.json' }), 'source_unreachable');
  await refused(call('validate', { source: 'UPPER' }), 'invalid_name');
});

test('impact says what a push would make of each agent on each machine', async () => {
  await call('push', { source: file('shape', '{ "description": "s", "command": ["x"], "environment": { "A": "1" } }') });
  await call('push', { source: file('built-on', '{ "description": "b", "inherits": ["shape"] }') });
  const machine = await client.createRoom({ roomVersion: '11', name: 'm', topic: '', aliasLocalpart: 'machine/one', powerLevels: {} });
  const assign = async (principal: string, fields: object): Promise<void> => {
    await client.setState(machine, EVENT_TYPES.assignment, principal, { v: 1, principal, ...fields });
  };
  await assign('a/direct', { template: 'shape' });
  await assign('a/child', { template: 'built-on' });
  await assign('a/own', { template: 'built-on', environment: { A: 'mine' } });
  await assign('a/stopped', { template: 'shape', desired: 'stopped' });
  await assign('a/other', { template: 'default', command: ['x'] });
  await client.setState(machine, EVENT_TYPES.assignment, 'a/broken', { v: 1, principal: 'a/else', template: 'shape' });
  const impact = async (text: string): Promise<string[]> => {
    const result = await call<{ machines: string[]; agents: { machine: string; principal: string; effect: string }[] }>('impact', {
      source: file('shape', text),
    });
    assert.deepEqual(result.machines, ['machine/one']);
    assert.ok(result.agents.every((each) => each.machine === 'machine/one'));
    return result.agents.map(({ principal, effect }) => `${principal} ${effect}`);
  };
  assert.deepEqual(await impact('{ "description": "s", "command": ["x"], "environment": { "A": "2" } }'), [
    'a/child replaced',
    'a/direct replaced',
    'a/own untouched',
  ]);
  assert.deepEqual(
    await impact('{ "description": "s", "command": ["x"], "environment": { "A": "1" }, "payload": { "t": 1 }, "locked": ["environment"] }'),
    ['a/child told', 'a/direct told', 'a/own blocked'],
  );
  const result = await call('impact', { source: file('shape', '{ "description": "s", "comand": ["x"] }') });
  assert.match(render('impact', result), /comand: there is no such field[^]*a\/direct +shape +untouched/);
});
