// SPDX-License-Identifier: Apache-2.0
// Templates on a stand: what set-up publishes really starts, what is pushed reaches the agents that use it, and no others.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { readCredentials, startStand, until, type Stand } from '@bureau/testkit';

const WAIT_MILLISECONDS = 60_000;
const STEADY = 'echo started; trap "exit 0" TERM; while :; do sleep 0.1; done';
const BUILT_IN = ['agent', 'base', 'curl-demo', 'default', 'node', 'python', 'shell', 'strict'];
/** What the command of a template prints when it stands. */
const SAYS: ReadonlyMap<string, RegExp> = new Map([
  ['shell', /\$ /],
  ['python', />>> /],
  ['node', /Welcome to Node\.js v24\./],
  ['curl-demo', /@built\/curl-demo:bureau\.local/],
]);

interface Status {
  readonly principal: string;
  readonly state: string;
  readonly id?: string;
  readonly message?: string;
}

let stand: Stand;
let directory: string;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bureau-templates-'));
  stand = await startStand({ demo: false });
});
afterEach(async () => {
  await Promise.all((await list()).map(({ principal }) => stand.bureau(['agent', 'remove', principal])));
  await stand.assertUnchanged();
});
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  await stand.end();
});

async function json<Result>(...words: string[]): Promise<Result> {
  const { code, stdout, stderr } = await stand.bureau([...words, '--json']);
  assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as Result;
}

async function list(): Promise<Status[]> {
  return (await json<{ agents: Status[] }>('agent', 'list')).agents;
}

async function statusOf(principal: string): Promise<Status | undefined> {
  return (await list()).find((each) => each.principal === principal);
}

async function inState(principal: string, state: string): Promise<Status> {
  return await until(`${principal} ${state}`, WAIT_MILLISECONDS, async () => {
    const status = await statusOf(principal);
    return status?.state === state && status;
  });
}

async function deploy(principal: string, template: string, ...more: string[]): Promise<Status> {
  const { code, stderr } = await stand.bureau(['agent', 'deploy', principal, '--template', template, ...more]);
  assert.equal(code, 0, stderr);
  return await inState(principal, 'running');
}

function file(name: string, content: object): string {
  const path = join(directory, `${name}.jsonc`);
  writeFileSync(path, `// made by a test\n${JSON.stringify({ description: name, ...content })}`);
  return path;
}

async function push(name: string, content: object): Promise<void> {
  await json('template', 'push', file(name, content));
}

/** Writes into the template room as anybody with the operator's token may, with no tool of ours. */
async function writeState(type: string, key: string, content: object): Promise<void> {
  const room = readCredentials(stand.facts.credential_file).get('MATRIX_TEMPLATE_ROOM') ?? assert.fail('a template room');
  const { status } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/state/${type}/${key}`, { method: 'PUT', body: content });
  assert.equal(status, 200);
}

test('each built-in template starts: with its own command, or with the assignment’s', async () => {
  const { templates } = await json<{ templates: { name: string; fault: string | null }[] }>('template', 'list');
  assert.deepEqual(
    templates.map(({ name, fault }) => [name, fault]),
    BUILT_IN.map((name) => [name, null]),
  );
  // All at once, without a word in between: what matters is that each stands in the end.
  await Promise.all(
    BUILT_IN.map(async (name) => {
      const command = SAYS.has(name) ? [] : ['--', 'sh', '-c', STEADY];
      const { code, stderr } = await stand.bureau(['agent', 'deploy', `built/${name}`, '--template', name, '--no-wait', ...command]);
      assert.equal(code, 0, stderr);
    }),
  );
  await until('all of them run', WAIT_MILLISECONDS, async () => {
    const running = (await list()).flatMap(({ principal, state }) => (state === 'running' ? [principal] : []));
    return BUILT_IN.every((name) => running.includes(`built/${name}`));
  });
  for (const name of BUILT_IN)
    await until(`${name} says what it says`, WAIT_MILLISECONDS, async () =>
      (SAYS.get(name) ?? /started/).test((await stand.bureau(['agent', 'logs', `built/${name}`])).stdout),
    );
  const { code, stdout } = await stand.bureau(['run', 'probe/one', '--', 'echo', 'by default']);
  assert.deepEqual([code, stdout.trim()], [0, 'by default']);
});

test('a pushed change replaces the agents that it changes, as “impact” has said, and no other', async () => {
  await push('parent', { environment: { A: '1' } });
  await push('child', { inherits: ['parent'], payload: { task: 1 } });
  await push('other', {});
  const command = ['--', 'sh', '-c', STEADY];
  const [child, overridden, other] = [
    await deploy('team/child', 'child', ...command),
    await deploy('team/overridden', 'child', '--env', 'A=mine', ...command),
    await deploy('team/other', 'other', ...command),
  ];
  const change = file('parent', { environment: { A: '2' } });
  const { agents } = await json<{ agents: { principal: string; effect: string }[] }>('template', 'impact', change);
  assert.deepEqual(
    agents.map(({ principal, effect }) => `${principal} ${effect}`),
    ['team/child replaced', 'team/overridden untouched'],
  );
  await json('template', 'push', change);
  const replaced = await until('the child runs anew', WAIT_MILLISECONDS, async () => {
    const status = await statusOf('team/child');
    return status?.state === 'running' && status.id !== child.id && status;
  });
  assert.notEqual(replaced.id, child.id);
  assert.equal((await statusOf('team/overridden'))?.id, overridden.id);
  assert.equal((await statusOf('team/other'))?.id, other.id);

  const told = await json<{ agents: { principal: string; effect: string }[] }>(
    'template',
    'impact',
    file('child', { inherits: ['parent'], payload: { task: 2 } }),
  );
  assert.deepEqual(
    told.agents.map(({ effect }) => effect),
    ['told', 'told'],
  );
});

describe('what is wrong in the room', () => {
  test('blocks who uses it, in the words of “validate”; what runs goes on, others are not touched', async () => {
    await push('good', { command: ['sh', '-c', STEADY] });
    await push('bad', { command: ['sh', '-c', STEADY] });
    const [good, bad] = [await deploy('team/good', 'good'), await deploy('team/bad', 'bad')];
    await deploy('team/late', 'bad');
    assert.equal((await stand.bureau(['agent', 'stop', 'team/late'])).code, 0);
    const wrong = { v: 2, description: 'bad', inherits: ['godo'] };
    await writeState('m.bureau.template', 'bad', wrong);
    const message = 'template "bad" is wrong: inherits[0]: there is no template "godo"; did you mean "good"?';
    const told = await until('it says why', WAIT_MILLISECONDS, async () => {
      const status = await statusOf('team/bad');
      return status?.message === message && status;
    });
    assert.deepEqual([told.state, told.id], ['running', bad.id], 'a wrong edit takes nothing down');
    assert.equal((await statusOf('team/good'))?.id, good.id);
    const validated = await stand.bureau(['template', 'validate', file('bad', { ...wrong, v: 2 })]);
    assert.equal(validated.code, 1);
    assert.ok(validated.stdout.includes('inherits[0]: there is no template "godo"; did you mean "good"?'), validated.stdout);

    for (const words of [
      ['restart', 'team/late'],
      ['deploy', 'team/new', '--template', 'bad'],
    ]) {
      const refused = await stand.bureau(['agent', ...words]);
      assert.equal(refused.code, 1);
      assert.ok(refused.stderr.includes(message), refused.stderr);
    }
    assert.equal((await statusOf('team/late'))?.state, 'blocked');
    assert.equal(await statusOf('team/new'), undefined, 'nothing was assigned');
    await push('bad', { command: ['sh', '-c', STEADY] });
    await inState('team/late', 'running');
  });

  test('an assignment does not loosen what its template locks', async () => {
    await push('locking', { environment: { INDEX: 'https://ours' }, locked: ['environment.INDEX'] });
    const command = ['--', 'sh', '-c', STEADY];
    await deploy('team/keeps', 'locking', '--env', 'MORE=1', ...command);
    const { code, stderr } = await stand.bureau([
      'agent',
      'deploy',
      'team/loosens',
      '--template',
      'locking',
      '--env',
      'INDEX=x',
      ...command,
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /environment\.INDEX: expected "https:\/\/ours", which template "locking" locks; found "x"/);
  });

  test('nothing is started by templates that somebody below an operator may write', async () => {
    const room = readCredentials(stand.facts.credential_file).get('MATRIX_TEMPLATE_ROOM') ?? assert.fail('a template room');
    const { body: levels } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/state/m.room.power_levels/`);
    const before = await deploy('team/before', 'curl-demo');
    await writeState('m.room.power_levels', '', { ...(levels as object), events: { 'm.bureau.template': 0 } });
    const late = await stand.bureau(['agent', 'deploy', 'team/late', '--template', 'curl-demo']);
    assert.equal(late.code, 1);
    assert.match(late.stderr, /level 0 .*may write templates.*bureau matrix doctor/);
    assert.deepEqual([(await statusOf('team/before'))?.state, (await statusOf('team/before'))?.id], ['running', before.id]);
    const fixed = await stand.bureau(['matrix', 'doctor', '--fix']);
    assert.equal(fixed.code, 0, fixed.stdout);
    await inState('team/late', 'running');
  });
});

test('another room behind the alias of the templates is not followed, not even by script/up', async () => {
  const alias = `/_matrix/client/v3/directory/room/${encodeURIComponent('#bureau/template:bureau.local')}`;
  const pinned = readCredentials(stand.facts.credential_file).get('MATRIX_TEMPLATE_ROOM') ?? assert.fail('a template room');
  const before = await deploy('team/before', 'curl-demo');
  assert.equal((await stand.matrix(alias, { method: 'DELETE' })).status, 200);
  const other = await stand.matrix('/_matrix/client/v3/createRoom', {
    method: 'POST',
    body: { preset: 'private_chat', room_alias_name: 'bureau/template' },
  });
  assert.equal(other.status, 200, JSON.stringify(other.body));
  try {
    const { code, stderr } = await stand.up();
    assert.notEqual(code, 0);
    assert.match(stderr, /is pinned to !.* and its alias now names !.*find out why/);
    assert.ok(stderr.includes(pinned), stderr);
    assert.equal((await statusOf('team/before'))?.id, before.id);
  } finally {
    await stand.matrix(alias, { method: 'DELETE' });
    assert.equal((await stand.matrix(alias, { method: 'PUT', body: { room_id: pinned } })).status, 200);
  }
  assert.equal((await stand.bureau(['matrix', 'setup'])).code, 0);
  assert.equal((await stand.up()).code, 0);
});
