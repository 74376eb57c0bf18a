// SPDX-License-Identifier: Apache-2.0
// Words from outside of a sandbox that would be something else than a name: an option of bwrap, a place of the run directory.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { speakAs, startStand, type Stand } from '@bureau/testkit';
import { titlesOf } from './catalogue.ts';
import { startHolding } from './outside.testing.ts';
import { WeakControls } from './weak-controls.ts';

let stand: Stand;
const weakControls = new WeakControls();
before(async () => {
  stand = await startStand({ demo: false });
});
after(async () => {
  await stand.end();
  weakControls[Symbol.dispose]();
});

/** Asked by the daemon's uid, as a stolen daemon would; each is no request at all. */
async function refusedByLauncher(asked: readonly { readonly principal?: string; readonly spec?: object }[]): Promise<void> {
  const steps = asked.map(({ principal = 'escape/words', spec = {} }) => ({
    socket: stand.paths.launcherSocket,
    contract: 'launcher' as const,
    method: 'create',
    input: { principal, id: 'odd-0', holdForObserver: false, spec: { v: 1, command: ['true'], ...spec } },
  }));
  const outcomes = await speakAs({ uid: stand.uidBase, gid: stand.uidBase }, steps);
  for (const [at, outcome] of outcomes.entries())
    assert.ok(!outcome.ok && outcome.code === 'invalid_input', `${JSON.stringify(asked[at]).slice(0, 80)}: ${JSON.stringify(outcome)}`);
}

describe('words that look like options', () => {
  const { attack, control } = titlesOf('words_as_options');
  const LOOK = `import os, sys; print(os.path.exists('/host'), *[ascii(value) for value in [*sys.argv[1:], os.environ.get('ODD', '')]], sep='|')`;
  const ODD = ['--ro-bind', '/', '/host', '--', 'a\nb', '\u202egnp.exe', '\u200b', '$(id)', `x${'y'.repeat(5_000)}`, '%s%n', ''];

  test(attack, async () => {
    for (const principal of ['--bind', 'a/--/../b', 'a\nb']) {
      const { code, stderr } = await stand.bureau(['run', principal, '--', 'true']);
      assert.ok(code === 2 || code === 125, `${JSON.stringify(principal)}: ${code} ${stderr}`);
    }
    const words = ['run', 'escape/words', '--env', 'ODD=--ro-bind\n/\n/host', '--no-tty', '--', '/usr/bin/python3', '-c', LOOK, ...ODD];
    const { stdout, stderr } = await stand.bureau(words);
    assert.equal(stdout.trimEnd().split('|')[0], 'False', stderr);
    assert.equal(stdout.trimEnd().split('|').length, ODD.length + 2, 'each word stays one word');
    const named = await stand.bureau(['run', 'escape/words', '--no-tty', '--', '--ro-bind', '/', '/host']);
    assert.equal(named.code, 127, 'a command of that name is looked for, and not found');
    const odd = ['a/\u202eb', 'a/\u200bb', 'a b', 'a;id', `a/${'b'.repeat(5_000)}`, '', 'a\0b'].map((principal) => ({ principal }));
    const nul = { environment: { X: 'a\0--ro-bind\0/\0/host' } };
    await refusedByLauncher([...odd, { spec: nul }, { spec: { command: ['a\0b'] } }, { spec: { directory: '/a\0b' } }]);
  });

  weakControls.add(control, async (weak) => {
    const weakness = { options: [{ before: ['--remount-ro', '/'], put: ['--setenv', 'X', 'a\0--ro-bind\0/\0/host'] }] };
    assert.match((await weak.run('escape/words', weakness, ['/usr/bin/python3', '-c', LOOK])).stdout, /^True/);
  });
});

describe('names of the run directory', () => {
  const { attack, control } = titlesOf('names_of_the_run_directory');
  test(attack, async () => {
    await stand.leaks.atRest();
    const before = readdirSync(stand.paths.runDir).toSorted();
    const names = [
      '.p',
      '.sys',
      '.p/0',
      '.sys/launcher',
      'a/.p',
      '..',
      '../x',
      'a/../b',
      'a//b',
      '/a',
      'a/',
      'a.sock',
      'a.sock/b',
      'launcher.sock',
      '_x/y',
      '12345',
    ];
    await refusedByLauncher(names.map((principal) => ({ principal })));
    for (const name of ['a/.p', 'bureau/x', 'machine/x'])
      assert.notEqual((await stand.bureau(['run', name, '--', 'true'])).code, 0, `${name} ran`);
    assert.deepEqual(readdirSync(stand.paths.runDir).toSorted(), before);
  });

  test(control, async () => {
    await using _command = await startHolding(stand, 'escape/named', 'true');
    assert.ok(existsSync(stand.paths.socketLink('escape/named' as never)));
  });
});

weakControls.declare(() => stand);
