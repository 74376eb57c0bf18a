// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { installBuild } from './install.ts';
import { pruneBuilds } from './prune-builds.ts';

const NAME = '0123456789abcdef';
const OTHER = 'fedcba9876543210';

// Each test has a checkout with one made-up build, and an empty library, readable by other uids.
let folder = '';
let library = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bureau-install-'));
  chmodSync(folder, 0o755);
  library = join(folder, 'library');
  const build = join(folder, '.build', NAME);
  mkdirSync(join(build, 'lib'), { recursive: true, mode: 0o700 });
  mkdirSync(join(build, 'node_modules/koffi'), { recursive: true });
  writeFileSync(join(build, 'package.json'), '{"type":"module"}');
  writeFileSync(join(build, 'lib/echo.js'), "console.log(process.argv.at(-1) === '--version' ? '0.1.0' : 'runs');", { mode: 0o600 });
  writeFileSync(join(build, 'node_modules/koffi/index.js'), '');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function install(): string[] {
  return installBuild(folder, library, NAME, process.execPath);
}

test('installBuild makes a build that every uid can run and only root can write, with code that is not compiled again', () => {
  assert.deepEqual(install(), []);
  const target = join(library, NAME);
  assert.equal(statSync(join(target, 'bin/node')).ino, statSync(join(library, `node-${process.version}/node`)).ino);
  for (const path of ['lib', 'lib/echo.js', 'node_modules/koffi/index.js', 'bin/node', 'compile-cache']) {
    const { uid, gid, mode } = lstatSync(join(target, path));
    assert.deepEqual([uid, gid, mode & 0o022, mode & 0o004], [0, 0, 0, 4], path);
  }
  const asPayload = ['--reuid=200016', '--regid=200016', '--clear-groups', join(target, 'bin/node'), join(target, 'lib/echo.js')];
  const run = spawnSync('/usr/bin/setpriv', asPayload, {
    encoding: 'utf8',
    env: { NODE_COMPILE_CACHE: join(target, 'compile-cache'), NODE_DEBUG_NATIVE: 'COMPILE_CACHE' },
  });
  assert.match(run.stdout + run.stderr, /code cache for ESM .*echo\.js was accepted/);
});

test('a uid without a cache of its own runs silently, and leaves nothing', () => {
  install();
  const target = join(library, NAME);
  const before = readdirSync(join(target, 'compile-cache'));
  const asStranger = ['--reuid=12345', '--regid=12345', '--clear-groups', join(target, 'bin/node'), join(target, 'lib/echo.js')];
  const run = spawnSync('/usr/bin/setpriv', asStranger, { encoding: 'utf8', env: { NODE_COMPILE_CACHE: join(target, 'compile-cache') } });
  assert.deepEqual([run.status, run.stdout, run.stderr], [0, 'runs\n', '']);
  assert.deepEqual(readdirSync(join(target, 'compile-cache')), before);
});

test('installBuild does nothing when the build is there', () => {
  install();
  const before = statSync(join(library, NAME, 'lib/echo.js')).ino;
  assert.deepEqual(install(), []);
  assert.equal(statSync(join(library, NAME, 'lib/echo.js')).ino, before);
});

test('installBuild makes anew what an interrupted run left', () => {
  mkdirSync(join(library, NAME, 'lib'), { recursive: true }); // renamed, but never completed
  writeFileSync(join(library, NAME, 'lib/old.js'), '');
  mkdirSync(join(library, OTHER), { recursive: true });
  mkdirSync(join(library, '.new-abc'), { recursive: true });
  install();
  assert.ok(existsSync(join(library, NAME, '.complete')));
  assert.ok(!existsSync(join(library, NAME, 'lib/old.js')));
  assert.deepEqual(readdirSync(library).toSorted(), [NAME, `node-${process.version}`]);
});

test('installBuild says which application does not know --version', () => {
  writeFileSync(join(folder, '.build', NAME, 'lib/mute.js'), "throw new Error('no such thing');");
  assert.match(install().join(), /apps\/mute --version failed \(.*no such thing/);
});

test('pruneBuilds keeps what is linked, what runs, and what was just installed', () => {
  const configuration = join(folder, 'etc');
  const processes = join(folder, 'proc');
  const builds = [
    'aaaaaaaaaaaaaaaa',
    'bbbbbbbbbbbbbbbb',
    'cccccccccccccccc',
    'dddddddddddddddd',
    'eeeeeeeeeeeeeeee',
    '9999999999999999',
  ] as const;
  const [kept, linked, program, argument, mapped, unused] = builds;
  for (const name of builds) mkdirSync(join(library, name), { recursive: true });
  mkdirSync(join(library, 'homeserver'));
  mkdirSync(join(configuration, 'bureau-x'), { recursive: true });
  symlinkSync(`/usr/lib/bureau/${linked}`, join(configuration, 'bureau-x/current'));
  for (const pid of ['10', '11', '12', 'self']) mkdirSync(join(processes, pid), { recursive: true });
  symlinkSync(join(library, program, 'bin/node'), join(processes, '10/exe'));
  writeFileSync(join(processes, '11/cmdline'), `node\0${join(library, argument, 'lib/relay.js')}\0`);
  writeFileSync(join(processes, '12/maps'), `7f00 r-xp 0 0:0 1 ${join(library, mapped, 'node_modules/koffi/koffi.node')}\n`);
  assert.deepEqual(pruneBuilds({ library, keep: kept, configuration, processes }), [unused]);
  assert.deepEqual(readdirSync(library).toSorted(), [...builds.slice(0, 5), 'homeserver'].toSorted());
});

test('bin/bureau runs the build that the instance links to, by its real path', () => {
  const name = `t${process.pid}`.slice(0, 12);
  const configuration = `/etc/bureau-${name}`;
  const target = join(library, NAME);
  install();
  writeFileSync(join(target, 'lib/cli.js'), 'console.log(JSON.stringify([process.argv.slice(1), process.env.NODE_COMPILE_CACHE]));');
  mkdirSync(configuration);
  try {
    symlinkSync(target, join(configuration, 'current'));
    assert.equal(readlinkSync(join(configuration, 'current')), target);
    const bureau = join(import.meta.dirname, '../bin/bureau');
    const expected = [join(target, 'lib/cli.js'), join(target, 'compile-cache')];
    for (const [args, env] of [
      [['--instance', name, 'x y'], {}],
      [[`--instance=${name}`, 'x y'], {}],
      [['x y'], { BUREAU_INSTANCE: name }],
    ] as const) {
      const run = spawnSync(bureau, args, { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', ...env } });
      const [argv, cache] = JSON.parse(run.stdout) as [string[], string];
      assert.deepEqual([argv[0], cache, argv.at(-1)], [...expected, 'x y']);
    }
  } finally {
    rmSync(configuration, { recursive: true, force: true });
  }
});

test('bin/bureau says in one line what is missing', () => {
  const copy = join(folder, 'bin/bureau');
  mkdirSync(join(folder, 'bin'));
  writeFileSync(copy, readFileSync(join(import.meta.dirname, '../bin/bureau')), { mode: 0o755 });
  const run = spawnSync(copy, ['--instance', 'nosuchone', 'status'], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
  assert.equal(run.status, 125);
  assert.match(run.stderr, /^bureau: no build of Bureau is installed for this instance .*; run script\/up first\n$/);
  const bad = spawnSync(copy, ['--instance', '../x'], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
  assert.equal(bad.status, 2);
});
