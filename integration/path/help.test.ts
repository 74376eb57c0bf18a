// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { runCommand, startStand, type Stand } from '@bureau/testkit';

/** Everything that a person can ask for; a new operation is added here by hand, so that its help is looked at. */
const OPERATIONS = [
  'run',
  'observe',
  'agent deploy',
  'agent list',
  'agent stop',
  'agent restart',
  'agent remove',
  'agent logs',
  'machine status',
  'machine plan',
  'matrix setup',
  'matrix doctor',
  'matrix user create',
  'doctor host',
  'stand up',
  'stand down',
];

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
afterEach(async () => await stand.assertUnchanged());
after(async () => await stand.end());

test('the help names every operation, and each operation’s help has an example', async () => {
  const top = await stand.bureau(['--help']);
  assert.equal(top.code, 0);
  assert.match(top.stdout, /Example:\n {2}bureau run/);
  assert.match(top.stdout, /Exit codes:.*124.*125/);
  const pages = await Promise.all(OPERATIONS.map(async (name) => ({ name, help: await stand.bureau([...name.split(' '), '--help']) })));
  for (const { name, help } of pages) {
    assert.equal(help.code, 0, name);
    assert.equal(help.stderr, '', name);
    assert.match(help.stdout, new RegExp(`^Usage: bureau ${name}`), name);
    assert.match(help.stdout, /\nExamples?:\n {2}\S.*\n {6}\S/, name);
    assert.ok(top.stdout.includes(name.split(' ')[0] ?? ''), name);
  }
});

test('help needs no stand', async () => {
  const words = ['--instance', 'nosuchthing', 'run', '--help'];
  const { code, stdout, stderr } = await runCommand(`${import.meta.dirname}/../../bin/bureau`, words);
  // Without any build at all there is nothing to ask; that is told, too.
  if (code === 125) assert.match(stderr, /run script\/up first/);
  else assert.match(stdout, /^Usage: bureau run/);
});

test('a word that is not known suggests the near one', async () => {
  for (const [words, suggestion] of [
    [['rum', 'a/b', '--', 'id'], 'run'],
    [['agent', 'depoly', 'a/b'], 'deploy'],
    [['machine', 'stats'], 'status'],
    [['matrix', 'setpu'], 'setup'],
    [['run', 'a/b', '--timeuot', '5s', '--', 'id'], '--timeout'],
  ] as const) {
    const { code, stdout, stderr } = await stand.bureau(words);
    assert.notEqual(code, 0, words.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, new RegExp(`Did you mean.*${suggestion}`), words.join(' '));
  }
});

test('wrong usage ends with 2, and a group alone shows its help', async () => {
  assert.equal((await stand.bureau(['agent', 'stop'])).code, 2);
  assert.equal((await stand.bureau(['agent', 'list', 'more'])).code, 2);
  assert.equal((await stand.bureau(['agent', 'list', '--', 'more'])).code, 2);
  const group = await stand.bureau(['agent']);
  assert.match(`${group.stdout}${group.stderr}`, /deploy.*\n(.*\n)*.*logs/);
});

test('--version says the build that is installed', async () => {
  const { code, stdout } = await stand.bureau(['--version']);
  assert.equal(code, 0);
  const { build } = JSON.parse(readFileSync(`/etc/bureau-${stand.name}/instance.json`, 'utf8'));
  assert.equal(stdout, `bureau ${build}\n`);
});

test('an instance that is no name is refused before anything else', async () => {
  for (const name of ['UPPER', 'with-dash', '../etc', 'a'.repeat(13)]) {
    for (const program of ['bin/bureau', 'script/up', 'script/down']) {
      const words = ['--instance', name, ...(program === 'bin/bureau' ? ['agent', 'list'] : [])];
      const { code, stderr } = await runCommand(`${import.meta.dirname}/../../${program}`, words);
      assert.notEqual(code, 0, `${program} ${name}`);
      assert.match(stderr, /instance|name/, `${program} ${name}`);
    }
  }
});

test('a stand that is not there is told with what to do', async () => {
  const { code, stderr, milliseconds } = await runCommand(`${import.meta.dirname}/../../bin/bureau`, [
    '--instance',
    'nosuchthing',
    'agent',
    'list',
  ]);
  assert.notEqual(code, 0);
  assert.match(stderr, /script\/up/);
  assert.doesNotMatch(stderr, /\n {4}at /);
  assert.ok(milliseconds < 2_000, `took ${milliseconds} ms`);
});
