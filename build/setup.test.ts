// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

// Each test has a checkout in which the real script/setup finds Debian's packages and Node, and a stand-in for npm.
let root = '';

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text, { mode: 0o755 });
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bureau-setup-'));
  chmodSync(root, 0o755);
  for (const path of [
    'build/toolchain/package-lock.json',
    'package-lock.json',
    'package.json',
    'apps/a/package.json',
    'packages/a/package.json',
    'integration/package.json',
  ])
    write(path, '{}');
  write('build/verify-installed.ts', '');
  write('script/npm', '#!/bin/sh\necho npm >> "$(dirname "$0")/../calls"; mkdir -p node_modules\n');
  for (const script of ['script/setup', 'script/node']) copyFileSync(join(import.meta.dirname, '..', script), join(root, script));
  mkdirSync(join(root, '.toolchain/bin'), { recursive: true });
  symlinkSync(process.execPath, join(root, '.toolchain/bin/node'));
  write('.toolchain/stamps/toolchain', `${createHash('sha256').update('{}').digest('hex')}\n`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function setup(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(join(root, 'script/setup'), args, { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

function calls(): string {
  return existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8') : '';
}

test('script/setup does what is missing, then nothing and says so in one line', () => {
  const first = setup();
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /^setup: \[1\/1\] npm packages .* \d+ s\nsetup: done in \d+ s\n$/);
  assert.equal(calls(), 'npm\nnpm\n');
  assert.match(setup().out, /^setup: nothing is missing .*\n$/);
  assert.deepEqual(setup('--quiet'), { code: 0, out: '', err: '' });
  assert.equal(calls(), 'npm\nnpm\n');
});

test('script/setup installs again when the lock has changed', () => {
  setup();
  write('package-lock.json', '{ }');
  assert.match(setup().out, /npm packages .*done in/s);
});

test('script/setup says which step failed, what to do and where the log is; the next run goes on', () => {
  const works = readFileSync(join(root, 'script/npm'), 'utf8');
  write('script/npm', '#!/bin/sh\necho "npm error: no route to registry" >&2\nexit 1\n');
  const { code, out, err } = setup();
  assert.equal(code, 1);
  assert.match(out, /npm packages .*FAILED after \d+ s/);
  assert.match(
    err,
    /step 'packages' failed \(exit code 1\)\n {2}expected: .*\n {2}found: {4}.*\n?.*no route to registry\n {2}do: .*\n {2}log: .*setup\.log\n/,
  );
  write('script/npm', works);
  assert.match(setup().out, /done in/);
});

test('script/setup begins with nothing where an install was cut short, and keeps what is whole', () => {
  const works = readFileSync(join(root, 'script/npm'), 'utf8');
  write(
    'script/npm',
    '#!/bin/sh\ncd "$(dirname "$0")/.."; mkdir -p node_modules packages/a/node_modules; : > node_modules/half; : > packages/a/node_modules/half\nexit 1\n',
  );
  assert.equal(setup().code, 1);
  write('script/npm', works);
  assert.equal(setup().code, 0);
  assert.deepEqual([existsSync(join(root, 'node_modules/half')), existsSync(join(root, 'packages/a/node_modules/half'))], [false, false]);
  write('node_modules/whole', '');
  write('package-lock.json', '{ }');
  assert.equal(setup().code, 0);
  assert.ok(existsSync(join(root, 'node_modules/whole')));
});

test('script/setup fails when what npm installed is not what is locked', () => {
  write('build/verify-installed.ts', "console.error('left-pad is not locked'); process.exitCode = 1;");
  const { code, err } = setup();
  assert.equal(code, 1);
  assert.match(err, /left-pad is not locked/);
  assert.equal(calls(), 'npm\nnpm\n');
});

test('script/setup on a full disk says so before it begins a step', () => {
  symlinkSync('/dev/full', join(root, '.toolchain/lock'));
  const { code, out, err } = setup();
  assert.deepEqual({ code, out }, { code: 1, out: '' });
  assert.match(err, /^setup: expected to write to .*\n {2}do: .*make room on it; then run script\/setup again\n$/);
  assert.equal(calls(), '');
});

test('two runs at once do the work once', async () => {
  // The first npm waits until the second run has found the lock taken.
  write(
    'script/npm',
    '#!/bin/sh\ncd "$(dirname "$0")/.."; echo npm >> calls; [ -e go ] || timeout 10 head -c 1 gate > /dev/null; mkdir -p node_modules\n',
  );
  spawnSync('mkfifo', [join(root, 'gate')]);
  const gate = openSync(join(root, 'gate'), 'r+'); // both ends: opening and writing never wait
  const start = (): { done: Promise<unknown[]>; stdout: NodeJS.ReadableStream } => {
    const child = spawn(join(root, 'script/setup'), { stdio: ['ignore', 'pipe', 'inherit'] });
    return { done: once(child, 'close'), stdout: child.stdout };
  };
  const first = start();
  await once(first.stdout, 'data'); // "[1/2] npm packages ..." is printed when the lock is held
  const second = start();
  const [text] = (await once(second.stdout, 'data')) as [Buffer];
  assert.match(String(text), /another script\/setup of this checkout is running; waiting/);
  second.stdout.resume();
  first.stdout.resume();
  writeFileSync(join(root, 'go'), '');
  writeSync(gate, 'x');
  assert.deepEqual(await Promise.all([first.done, second.done]), [
    [0, null],
    [0, null],
  ]);
  closeSync(gate);
  assert.equal(calls(), 'npm\nnpm\n');
});

test('script/setup refuses other users and unknown arguments in one line', () => {
  const { status, stderr } = spawnSync(
    '/usr/bin/setpriv',
    ['--reuid=12345', '--regid=12345', '--clear-groups', join(root, 'script/setup')],
    { encoding: 'utf8' },
  );
  assert.equal(status, 1);
  assert.match(stderr, /^setup: needs root [^\n]*\n$/);
  const wrong = setup('--fast');
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /unknown argument '--fast'; expected nothing, --quiet, --arm64, --bazel, --tests or --vm\n$/);
});
