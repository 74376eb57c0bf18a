// SPDX-License-Identifier: Apache-2.0
// What of the host's files a payload sees and may write, each with the control that it could without the guard.
import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createIn, inserted, without } from './testing/wall-attacks.ts';
import { WALL_UID, WallFixture } from './testing/wall-fixture.ts';

test('only workspace, home, /tmp and /dev/shm can be written', async () => {
  using wall = new WallFixture();
  const closed = ['/', '/etc', '/usr', '/usr/bin', '/dev', '/run', '/run/bureau', '/home'];
  const open = ['/workspace', '/home/agent', '/tmp', '/dev/shm'];
  const answers = await wall.ask(createIn([...closed, ...open]));
  for (const directory of closed) assert.match(answers[directory] ?? '', /EROFS|EACCES/, directory);
  for (const directory of open) assert.equal(answers[directory], 'ok', directory);
  assert.equal(
    (await wall.ask(createIn(['/', '/home']), { options: without('--remount-ro', '/') }))['/home'],
    'ok',
    'control: / without its remount',
  );
  assert.equal(
    (await wall.ask(createIn(['/dev']), { options: without('--remount-ro', '/dev') }))['/dev'],
    'ok',
    'control: /dev without its remount',
  );
});

test('memory file systems end where the spec says', async () => {
  using wall = new WallFixture();
  const scratchSize = 1024 * 1024;
  for (const directory of ['/tmp', '/dev/shm', '/home/agent']) {
    const fill = ['dd', 'if=/dev/zero', `of=${directory}/fill`, 'bs=64k', 'count=32'];
    assert.match((await wall.run(fill, {}, { scratchSize })).stderr, /No space left/, directory);
    const unbounded = (options: string[]): string[] => {
      const at = options.indexOf(directory);
      assert.deepEqual(options.slice(at - 3, at), ['--size', String(scratchSize), '--tmpfs']);
      return options.toSpliced(at - 3, 2);
    };
    assert.equal((await wall.run(fill, { options: unbounded }, { scratchSize })).code, 0, `control: ${directory} without --size`);
  }
});

test('nothing else of the host is there: no other workspace, no /var, no home, no /etc/shadow, no stranger’s terminal', async () => {
  using wall = new WallFixture();
  const other = join(wall.directory, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'secret'), 'other principal');
  const paths = [
    other,
    '/var',
    '/root',
    '/opt',
    '/work',
    '/etc/shadow',
    '/etc/ssh',
    '/etc/ssl/private',
    '/run/dbus',
    '/dev/mem',
    '/dev/kmsg',
    '/dev/vda',
    '/dev/pts/0',
    '/oldroot',
    '/newroot',
  ];
  assert.equal((await wall.shell(paths.map((path) => `test -e ${path} && echo ${path}`).join('; '))).stdout, '');
  const opened = await wall.run(['cat', `${other}/secret`], { options: inserted(['--ro-bind', other, other], '--remount-ro', '/') });
  assert.equal(opened.stdout, 'other principal', 'control: bound, it could be read');
  assert.equal(
    (await wall.run(['ls', '-1', '/'])).stdout.trim().replace(/\n/g, ' '),
    [
      ...readdirSync('/').filter((name) => /^(bin|sbin|lib(32|64|x32)?)$/.test(name)),
      'dev',
      'etc',
      'home',
      'proc',
      'proxy.sock',
      'run',
      'tmp',
      'usr',
      'workspace',
    ]
      .toSorted()
      .join(' '),
  );
});

test('bubblewrap follows a link that an agent planted, which is why no destination lies below the workspace', async () => {
  using wall = new WallFixture();
  const victim = join(wall.directory, 'victim');
  mkdirSync(victim);
  chownSync(victim, WALL_UID, WALL_UID);
  symlinkSync(`/oldroot${victim}`, join(wall.workspace, 'x'));
  assert.throws(() => wall.plan({ v: 1, command: ['true'], mounts: [{ type: 'tmpfs', destination: '/workspace/x/made' }] }), {
    code: 'spec_refused',
    data: { rule: 'mount_destination', principal: 'wall/test' },
  });
  await wall.run(['true'], { options: inserted(['--dir', '/workspace/x/made'], '--remount-ro', '/dev') });
  assert.ok(existsSync(join(victim, 'made')), 'control: this bwrap has CVE-2026-87766');
});
