// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { attackCommand, parseOutcomes, PORTABLE_ATTACKS, type Attack, type AttackFacts } from './index.ts';

const FACTS: AttackFacts = {
  tcpPort: 1,
  udpPort: 1,
  abstractSocket: 'none',
  addresses: [],
  hostPaths: [],
  markers: ['a marker that is "nowhere" \u00e4'],
  ownPaths: [],
  processMarker: ['a', 'b'],
  setUserId: '',
  fileCapabilities: '',
  readOnlyBind: '',
};

function attack(name: string, python: string): Attack {
  return { name, test: 0, title: '', guard: '', control: '', python };
}

function run(attacks: readonly Attack[]): Record<string, string> {
  const [program = '', ...words] = attackCommand(attacks, FACTS);
  const outcomes = parseOutcomes(attacks, execFileSync(program, words, { encoding: 'utf8' }));
  return Object.fromEntries([...outcomes].map(([name, { verdict, detail }]) => [name, `${verdict}: ${detail}`]));
}

test('attackCommand tells what succeeded, what was refused, and what could not be tried', () => {
  const said = run([
    attack('got', '\n    \nreturn FACTS["markers"][0]\n'),
    attack('refused', 'raise Refused("no")'),
    attack('system', 'return os.open("/nowhere/at/all", os.O_RDONLY)'),
    attack('mistake', 'return undefined_name'),
    attack('killed', 'os.kill(os.getpid(), signal.SIGKILL)'),
    attack('some', 'return attempts([("one", lambda: os.stat("/nowhere")), ("two", lambda: "yes")])'),
    attack('none', 'return attempts([("one", lambda: os.stat("/nowhere"))])'),
  ]);
  assert.equal(said['got'], 'succeeded: a marker that is "nowhere" ä');
  assert.equal(said['refused'], 'refused: no');
  assert.match(said['system'] ?? '', /^refused: .*No such file/);
  assert.match(said['mistake'] ?? '', /^broken: NameError/);
  assert.equal(said['killed'], 'broken: ended with status 9');
  assert.equal(said['some'], 'succeeded: two (yes)');
  assert.equal(said['none'], 'refused: one ENOENT');
});

test('attackCommand shows nothing of its facts on the command line', () => {
  assert.ok(
    !attackCommand(PORTABLE_ATTACKS, FACTS)
      .join(' ')
      .includes(FACTS.markers[0] ?? '-'),
  );
});

test('parseOutcomes calls broken what nobody spoke of', () => {
  const attacks = [attack('one', ''), attack('two', '')];
  for (const printed of ['', 'Traceback', '[]', '{"two":["well","x"]}', '{"one":1,"two":["refused"]}', 'null']) {
    for (const { verdict } of parseOutcomes(attacks, printed).values()) assert.equal(verdict, 'broken', printed);
  }
  assert.equal(parseOutcomes(attacks, 'noise\n{"one":["refused","no"]}\n').get('one')?.verdict, 'refused');
});

test('every attack has a name of its own, and says its guard and its control', () => {
  assert.equal(new Set(PORTABLE_ATTACKS.map(({ name }) => name)).size, PORTABLE_ATTACKS.length);
  for (const { name, title, guard, control } of PORTABLE_ATTACKS) {
    assert.match(name, /^[a-z][a-z0-9_]*$/);
    for (const text of [title, guard, control]) assert.match(text, /\S{2}/, name);
  }
});

test('every attack is Python that compiles', () => {
  const source = attackCommand(PORTABLE_ATTACKS, FACTS)[3] ?? assert.fail('a program');
  execFileSync('/usr/bin/python3', ['-I', '-c', 'import sys; compile(sys.stdin.read(), "attacks", "exec")'], { input: source });
});
