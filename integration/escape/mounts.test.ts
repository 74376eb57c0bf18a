// SPDX-License-Identifier: Apache-2.0
// Attacks through directories that policy gives to a sandbox.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { attackCommand, parseOutcomes, PORTABLE_ATTACKS } from '@bureau/escape';
import { readCredentials, startCommand, startStand, type RunningCommand, type Stand } from '@bureau/testkit';
import { inserted, WallFixture, type Weakness } from '@bureau/testkit/wall';
import { titlesOf } from './catalogue.ts';
import { Traps } from './traps.ts';
import { WeakControls } from './weak-controls.ts';

/** Starts of real sandboxes while the source is swapped; about half meet the link. */
const REAL_TRIES = 8;
/** The launcher meets a directory in about every second try, and bubblewrap after it the link in about every second of those. */
const CONTROL_TRIES = 100;

let stand: Stand;
const weakControls = new WeakControls();
const traps = new Traps();
const directory = mkdtempSync(join(tmpdir(), 'bureau-escape-'));
const source = join(directory, 'source');
/** Of what is in here, a template's pattern matches `match*`. */
const matched = join(directory, 'matched');
before(async () => {
  chmodSync(directory, 0o755);
  mkdirSync(source);
  writeFileSync(join(source, 'fine'), 'fine');
  mkdirSync(join(directory, 'elsewhere'));
  writeFileSync(join(directory, 'elsewhere', 'secret'), 'secret');
  symlinkSync('elsewhere', join(directory, 'link'));
  mkdirSync(matched);
  writeFileSync(join(matched, 'match'), 'fine');
  symlinkSync('../elsewhere/secret', join(matched, 'link'));
  await traps.start();
  stand = await startStand({ demo: false });
  const binds = [
    { source, mode: 'ro' },
    { source: traps.bound, mode: 'ro' },
    { source: matched, mode: 'ro' },
  ];
  writeFileSync(stand.paths.policyFile, JSON.stringify({ v: 1, binds }), { mode: 0o644 });
  await template('swapped', source);
  await template('bound', traps.bound);
  await template('matched', `${matched}/match*`, { glob: true });
});
after(async () => {
  await traps[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
  await stand.end();
  weakControls[Symbol.dispose]();
});

async function template(name: string, from: string, more: { readonly glob?: true } = {}): Promise<void> {
  const room = encodeURIComponent(
    readCredentials(stand.facts.credential_file).get('MATRIX_TEMPLATE_ROOM') ?? assert.fail('a template room'),
  );
  const mounts = [{ type: 'bind', source: from, destination: '/mnt/given', mode: 'ro', optional: false, ...more }];
  const body = { v: 1, description: name, environment: {}, mounts };
  const { status } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/state/m.bureau.template/${name}`, { method: 'PUT', body });
  assert.equal(status, 200);
}

/** renameat2(RENAME_EXCHANGE) without end, until its stdin ends; says how often. */
const SWAP = `
import ctypes, select, sys
libc = ctypes.CDLL(None, use_errno=True)
one, other = (path.encode() for path in sys.argv[1:])
count = 0
while count % 64 or not select.select([sys.stdin], [], [], 0)[0]:
    assert libc.renameat2(-100, one, -100, other, 2) == 0, ctypes.get_errno()
    count += 1
print(count)
`;

function startSwapping(one: string, other: string): RunningCommand {
  return startCommand('/usr/bin/python3', ['-I', '-c', SWAP, one, other], { stdin: 'pipe' });
}

/** An even number of swaps has put everything back; says how many. */
async function endSwapping(swapping: RunningCommand): Promise<number> {
  swapping.endInput();
  const { stdout, stderr } = await swapping.exitedWithin(10_000);
  assert.match(stdout, /^\d+$/m, stderr);
  return Number(stdout);
}

describe('a source that is swapped', () => {
  const { attack, control } = titlesOf('swapped_source');
  test(attack, async (context) => {
    const good = await stand.bureau(['run', 'escape/swapped', '--template', 'swapped', '--', 'ls', '/mnt/given']);
    assert.equal(good.stdout, 'fine\n', good.stderr);
    const swapping = startSwapping(source, join(directory, 'link'));
    await using _held = swapping;
    const seen: string[] = [];
    for (let at = 0; at < REAL_TRIES; at += 1) {
      const { code, stdout, stderr } = await stand.bureau(['run', 'escape/swapped', '--template', 'swapped', '--', 'ls', '/mnt/given']);
      seen.push(code === 0 ? stdout.trim() : 'refused');
      // By launcher, relay or bubblewrap, whoever meets it first.
      if (code !== 0) assert.match(stderr, /\S/);
    }
    const swaps = await endSwapping(swapping);
    context.diagnostic(`${swaps} swaps, ${REAL_TRIES} starts: ${seen.join(', ')}`);
    assert.ok(swaps > 1_000);
    for (const what of seen) assert.ok(what === 'fine' || what === 'refused', what);
  });

  weakControls.add(control, async (weak) => {
    const byPath = [{ take: ['--ro-bind-fd', null, '/mnt/given'], by: ['--ro-bind', source, '/mnt/given'] }];
    const weakness: Weakness = { options: byPath, mountSources: 'unchecked' };
    const swapping = startSwapping(source, join(directory, 'link'));
    await using _held = swapping;
    let met = false;
    for (let at = 0; at < CONTROL_TRIES && !met; at += 1) {
      const { stdout } = await weak.run('escape/swapped', weakness, ['ls', '/mnt/given'], ['--template', 'swapped']);
      met = stdout.trim() === 'secret';
    }
    await endSwapping(swapping);
    assert.ok(met, `the link was met in ${CONTROL_TRIES} tries`);
  });
});

describe('a link under a name that a pattern matches', () => {
  const { attack, control } = titlesOf('linked_match');
  const read = ['cat', '/mnt/given/match'];
  const start = (): ReturnType<Stand['bureau']> => stand.bureau(['run', 'escape/matched', '--template', 'matched', '--', ...read]);
  test(attack, async (context) => {
    assert.equal((await start()).stdout, 'fine');
    const swapping = startSwapping(join(matched, 'match'), join(matched, 'link'));
    await using _held = swapping;
    const seen: string[] = [];
    for (let at = 0; at < REAL_TRIES; at += 1) {
      const { code, stdout } = await start();
      seen.push(code === 0 ? stdout : 'refused');
    }
    const swaps = await endSwapping(swapping);
    context.diagnostic(`${swaps} swaps: ${seen.join(', ')}`);
    for (const what of seen) assert.ok(what === 'fine' || what === 'refused', what);
    // One that stays there is refused by name.
    symlinkSync('../elsewhere/secret', join(matched, 'match-planted'));
    const { code, stderr } = await start();
    rmSync(join(matched, 'match-planted'));
    assert.notEqual(code, 0);
    assert.match(stderr, /symbolic link/);
  });

  weakControls.add(control, async (weak) => {
    const link = ['--ro-bind', join(matched, 'link'), '/mnt/given/match'];
    const byPath = [{ take: ['--ro-bind-fd', null, '/mnt/given/match'], by: link }];
    const { stdout, stderr } = await weak.run('escape/matched', { options: byPath, mountSources: 'unchecked' }, read, [
      '--template',
      'matched',
    ]);
    assert.equal(stdout, 'secret', stderr);
  });
});

describe('a file of root’s in a directory that is given', () => {
  const { attack, control } = titlesOf('files_of_root');
  const read = ['cat', '/mnt/given/kept', '/mnt/given/secret'];
  test(attack, async () => {
    const { code, stdout, stderr } = await stand.bureau(['run', 'escape/bound', '--template', 'bound', '--no-tty', '--', ...read]);
    assert.equal(code, 1);
    assert.equal(stdout, 'kept', 'what everybody may read is there');
    assert.match(stderr, /secret: Permission denied/);
  });
  test(control, async () => {
    using wall = new WallFixture();
    const options = inserted(['--ro-bind', traps.bound, '/mnt/given'], '--remount-ro', '/');
    assert.equal((await wall.run(read, { asRoot: true, options }, { directory: '/tmp' })).stdout, 'keptsecret');
  });
});

describe('a directory that is given read-only', () => {
  const { attack, control } = titlesOf('read_only_bind');
  const attacks = PORTABLE_ATTACKS.filter(({ name }) => name === 'read_only_places');
  const command = (): string[] =>
    attackCommand(attacks, traps.facts({ hostPaths: [], markers: [], ownPaths: [], readOnlyBind: '/mnt/given' }));
  const outcome = (stdout: string): string => {
    const { verdict, detail } = parseOutcomes(attacks, stdout).get('read_only_places') ?? assert.fail('an outcome');
    return `${verdict}: ${detail}`;
  };
  test(attack, async () => {
    const { stdout, stderr } = await stand.bureau(['run', 'escape/bound', '--template', 'bound', '--no-tty', '--', ...command()]);
    assert.match(outcome(stdout), /^refused: .*write kept E/, stderr);
    assert.deepEqual(readdirSync(traps.bound).toSorted(), ['kept', 'secret']);
    assert.equal(readFileSync(join(traps.bound, 'kept'), 'utf8'), 'kept');
  });
  weakControls.add(control, async (weak) => {
    const writable = { options: [{ take: ['--ro-bind-fd', '7', '/mnt/given'], by: ['--bind-fd', '7', '/mnt/given'] }] };
    const { stdout } = await weak.run('escape/bound', writable, command(), ['--template', 'bound']);
    assert.match(outcome(stdout), /^succeeded: create in \/mnt\/given \(made\)/);
  });
});

weakControls.declare(() => stand);
