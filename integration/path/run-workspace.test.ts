// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
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
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { startStand, type CommandResult, type Stand } from '@bureau/testkit';

/** An owner that is neither root nor anything of a stand. */
const SOMEBODY = 12_345;

let stand: Stand;
let directory: string;
/** What a planted link points to: root's, beside the directory that is handed in. */
let victim: string;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bureau-workspace-'));
  chmodSync(root, 0o755);
  directory = join(root, 'project');
  victim = join(root, 'victim');
  mkdirSync(directory);
  mkdirSync(victim);
  writeFileSync(join(victim, 'file'), 'untouched');
});
afterEach(async () => {
  rmSync(root, { recursive: true, force: true });
  await stand.assertUnchanged();
});

/** Runs a script in /workspace with `directory` copied in and out. */
function run(principal: string, script: string): Promise<CommandResult> {
  return stand.bureau(['run', principal, '--workspace', directory, '--', 'sh', '-ec', script]);
}

function read(name: string): string {
  return readFileSync(join(directory, name), 'utf8');
}

test('--workspace brings files in, and changed and new ones out', async () => {
  writeFileSync(join(directory, 'in'), 'from outside');
  writeFileSync(join(directory, 'same'), 'same');
  mkdirSync(join(directory, 'deep/er'), { recursive: true });
  writeFileSync(join(directory, 'deep/er/file'), 'deep');
  writeFileSync(join(directory, 'tool'), '#!/bin/sh\necho tool ran\n', { mode: 0o755 });
  const { code, stdout, stderr } = await run(
    'work/one',
    'pwd; cat in deep/er/file; ./tool; echo changed > in; mkdir new; echo made > new/file; touch .hidden',
  );
  assert.equal(code, 0, stderr);
  assert.equal(stdout, '/workspace\nfrom outsidedeeptool ran\n');
  assert.equal(read('in'), 'changed\n');
  assert.equal(read('new/file'), 'made\n');
  assert.equal(read('same'), 'same');
  assert.ok(existsSync(join(directory, '.hidden')));
});

test('files come out also when the command fails, and its exit code stays', async () => {
  const { code } = await run('work/one', 'echo half > result; exit 6');
  assert.equal(code, 6);
  assert.equal(read('result'), 'half\n');
});

test('files that come out belong to whom the directory belongs, without set-user-id', async () => {
  chownSync(directory, SOMEBODY, SOMEBODY);
  writeFileSync(join(directory, 'theirs'), 'x', { mode: 0o600 });
  chownSync(join(directory, 'theirs'), SOMEBODY, SOMEBODY);
  const { code, stderr } = await run(
    'work/two',
    'cat theirs; echo y > theirs; mkdir sub; cp /bin/true sub/program; chmod 4755 sub/program',
  );
  assert.equal(code, 0, stderr);
  for (const name of ['theirs', 'sub', 'sub/program']) {
    const { uid, gid, mode } = statSync(join(directory, name));
    assert.deepEqual({ uid, gid }, { uid: SOMEBODY, gid: SOMEBODY }, name);
    assert.equal(mode & 0o6000, 0, name);
  }
});

test('files that come out of a directory of root’s are root’s, without set-user-id', async () => {
  const { code, stderr } = await run('work/two', 'cp /bin/true program; chmod 6777 program');
  assert.equal(code, 0, stderr);
  const { uid, gid, mode } = statSync(join(directory, 'program'));
  assert.deepEqual({ uid, gid, special: mode & 0o7000 }, { uid: 0, gid: 0, special: 0 });
});

test('a link out of the workspace comes back as a link and is never followed', async () => {
  const first = await run('work/links', `ln -s ${victim}/file link; ln -s ${victim} folder; ln -s ${victim}/new fresh`);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(readlinkSync(join(directory, 'link')), `${victim}/file`);
  const second = await run(
    'work/links',
    'rm link folder fresh; echo pwned > link; echo pwned > fresh; mkdir folder; echo pwned > folder/file; echo pwned > folder/more',
  );
  assert.equal(second.code, 0, second.stderr);
  assert.equal(readFileSync(join(victim, 'file'), 'utf8'), 'untouched');
  assert.deepEqual(readdirSync(victim), ['file']);
  assert.equal(read('link'), 'pwned\n');
  assert.ok(lstatSync(join(directory, 'folder')).isDirectory());
});

test('a caller’s own link is not followed on the way in', async () => {
  symlinkSync(victim, join(directory, 'mine'));
  symlinkSync('/etc/shadow', join(directory, 'shadow'));
  const { code, stdout, stderr } = await run('work/links', 'readlink mine; cat shadow mine/file || true');
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${victim}\n`);
});

test('a link that is planted in the kept workspace does not lead the next copy astray', async () => {
  const planted = await stand.bureau(['run', 'work/planted', '--', 'sh', '-c', `ln -s ${victim} sub; ln -s ${victim}/file file`]);
  assert.equal(planted.code, 0, planted.stderr);
  mkdirSync(join(directory, 'sub'));
  writeFileSync(join(directory, 'sub/new'), 'mine');
  writeFileSync(join(directory, 'file'), 'mine');
  const { code, stdout, stderr } = await run('work/planted', 'cat sub/new file; [ ! -L sub ] && [ ! -L file ] && echo replaced');
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'minemine' + 'replaced\n');
  assert.deepEqual(readdirSync(victim), ['file']);
  assert.equal(readFileSync(join(victim, 'file'), 'utf8'), 'untouched');
});

test('names that look like options or ways out are only names', async () => {
  const { code, stderr } = await run(
    'work/names',
    'mkdir -- "--checkpoint=1" "a b"; touch -- "-rf" "a b/new\nline" "..x" "--to-command=id"',
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(directory).toSorted(), ['--checkpoint=1', '--to-command=id', '-rf', '..x', 'a b']);
  assert.deepEqual(readdirSync(join(directory, 'a b')), ['new\nline']);
});

test('what is not a file, a directory or a link stays inside', async () => {
  const { code, stderr } = await run('work/odd', 'mkfifo pipe; echo x > file');
  assert.equal(code, 0, stderr);
  assert.equal(read('file'), 'x\n');
  assert.ok(!existsSync(join(directory, 'pipe')), 'a named pipe would hold whoever reads it');
});

test('a directory that the payload locked is told, and the run’s result stays', async () => {
  const { code, stderr } = await run('work/locked', 'mkdir locked; echo x > locked/file; chmod 000 locked; echo y > other; exit 3');
  assert.equal(code, 3, stderr);
  assert.match(stderr, /some of the workspace stays inside: .*locked.*Permission denied/);
  assert.equal(read('other'), 'y\n');
});
