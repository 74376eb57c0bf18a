// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { runCommandLine } from './command-line.ts';

/** No stand has this name, so that nothing but the command line itself is asked. */
const INSTANCE = ['--instance', 'nosuchstand1'];

async function bureau(...words: string[]): Promise<{ code: number; output: string; error: string }> {
  const [output, error] = [new PassThrough(), new PassThrough()];
  const surroundings = {
    buildDirectory: '/usr/lib/bureau/test',
    environment: {},
    uid: 0,
    input: new PassThrough(),
    output,
    error,
    signal: new AbortController().signal,
  };
  const code = await runCommandLine(words, surroundings);
  const text = (stream: PassThrough): string => String(stream.read() ?? '');
  return { code, output: text(output), error: text(error) };
}

for (const [why, words] of [
  ['an unknown command', ['fly']],
  ['an unknown option', ['agent', 'list', '--fast']],
  ['a missing argument', ['agent', 'stop']],
  ['a name that is none', ['agent', 'stop', 'Bad/Name']],
  ['a choice that is none', ['agent', 'deploy', 'a/b', '--restart', 'sometimes']],
  ['an option without its value', ['agent', 'deploy', 'a/b', '--restart']],
  ['words after -- that nobody takes', ['agent', 'list', '--', 'x']],
  ['an instance that is none', ['--instance', 'Bad!', 'agent', 'list']],
] as const) {
  test(`runCommandLine() counts ${why} as a wrong command line: 2, one message, nothing on stdout`, async () => {
    const plain = await bureau(...words);
    assert.deepEqual([plain.code, plain.output], [2, ''], plain.error);
    assert.notEqual(plain.error, '');
  });
}

for (const [words, hint] of [
  [['fly'], 'bureau --help'],
  [['matrix', 'whoami'], 'bureau matrix --help'],
  [['matrix', 'user', 'fly'], 'bureau matrix user --help'],
  [['agent', 'list', '--fast'], 'bureau agent list --help'],
  [['agent', 'stop'], 'bureau agent stop --help'],
  [['agent', 'list', '--', 'x'], 'bureau agent list --help'],
] as const) {
  test(`runCommandLine() says where help is for "${words.join(' ')}"`, async () => {
    assert.ok((await bureau(...words)).error.endsWith(`see "${hint}"\n`), (await bureau(...words)).error);
  });
}

for (const [why, words] of [
  ['an unknown option', ['run', 'a/b', '--fast', '--', 'id']],
  ['a name that is none', ['run', 'Bad/Name', '--', 'id']],
  ['no command', ['run', 'a/b']],
  ['an unknown option behind the instance', [...INSTANCE, 'run', 'a/b', '--fast', '--', 'id']],
] as const) {
  test(`runCommandLine() gives a run with ${why} its own code, since a payload may give 2 itself`, async () => {
    const { code, output, error } = await bureau(...words);
    assert.deepEqual([code, output], [125, ''], error);
  });
}

test('runCommandLine() with --json tells a failure as text on stderr, and keeps stdout empty', async () => {
  const { code, output, error } = await bureau(...INSTANCE, 'agent', 'list', '--json');
  assert.deepEqual([code, output], [1, '']);
  assert.match(error, /^bureau: /);
  assert.match((await bureau('agent', 'list', '--help')).output, /--json .*errors stay text on\s+stderr/s);
});

test('runCommandLine() shows help and version with 0', async () => {
  assert.equal((await bureau('--help')).code, 0);
  assert.deepEqual(await bureau('--version'), { code: 0, output: 'bureau test\n', error: '' });
});
