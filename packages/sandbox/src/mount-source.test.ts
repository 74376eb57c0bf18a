// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OpenMountSources, listDirectory } from './mount-source.ts';

function scratch(): Disposable & { readonly path: string } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'bureau-source-')));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test('OpenMountSources knows directories, files and what is not there, and holds each until it is disposed', () => {
  using directory = scratch();
  const file = join(directory.path, 'file');
  writeFileSync(file, '');
  const before = readdirSync('/proc/self/fd').length;
  {
    using sources = new OpenMountSources();
    assert.deepEqual(sources.open(directory.path, 'a'), { index: 0, kind: 'directory' });
    assert.deepEqual(sources.open(file, 'b'), { index: 1, kind: 'file' });
    assert.equal(sources.open(join(directory.path, 'missing/below'), 'c'), undefined);
    assert.equal(sources.open(join(file, 'below'), 'd'), undefined);
    const { dev, ino } = statSync(file);
    assert.deepEqual(sources.sources[1], { path: file, identity: `${dev}:${ino}`, kind: 'file' });
    assert.equal(readdirSync('/proc/self/fd').length, before + 2);
  }
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('OpenMountSources refuses to hold more than a start needs, and is well again when it is disposed', () => {
  using directory = scratch();
  const before = readdirSync('/proc/self/fd').length;
  {
    using sources = new OpenMountSources();
    const open = (): unknown => sources.open(directory.path, 'mounts[127].source');
    assert.throws(
      () => {
        for (let count = 0; count < 128 * 256; count += 1) open();
      },
      { code: 'mount_refused', message: /mounts\[127\]\.source.*more than 384 sources/ },
    );
    assert.equal(readdirSync('/proc/self/fd').length, before + 384);
  }
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('OpenMountSources refuses a link in any part of the path, magic ones too', () => {
  using directory = scratch();
  using sources = new OpenMountSources();
  mkdirSync(join(directory.path, 'real/sub'), { recursive: true });
  symlinkSync('real', join(directory.path, 'link'));
  symlinkSync('/etc', join(directory.path, 'outside'));
  for (const path of ['link', 'link/sub', 'outside', 'outside/passwd', 'link/../real']) {
    assert.throws(() => sources.open(join(directory.path, '/') + path, 'mounts[0].source'), {
      code: 'mount_refused',
      message: /mounts\[0\]\.source.*symbolic link/,
    });
    assert.throws(() => listDirectory(join(directory.path, '/') + path, 'x'), { code: 'mount_refused' }, path);
  }
  for (const path of ['/proc/self/root/etc', '/proc/self/cwd', '/bin/sh'])
    assert.throws(() => sources.open(path, 'x'), { code: 'mount_refused' }, path);
  assert.equal(sources.open(join(directory.path, 'real/sub'), 'x')?.kind, 'directory', 'control: without the link');
});

test('OpenMountSources refuses sockets, pipes, devices and the kernel’s file systems, and keeps none of them open', async () => {
  using directory = scratch();
  using sources = new OpenMountSources();
  const socket = join(directory.path, 'docker.sock');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  execFileSync('mkfifo', [join(directory.path, 'pipe')]);
  try {
    const before = readdirSync('/proc/self/fd').length;
    for (const path of [socket, join(directory.path, 'pipe'), '/dev/null'])
      assert.throws(() => sources.open(path, 'x'), { code: 'mount_refused', message: /socket, device or pipe/ }, path);
    for (const path of ['/proc', '/proc/sys/kernel', '/proc/version', '/sys/kernel'])
      assert.throws(() => sources.open(path, 'x'), { code: 'mount_refused', message: /kernel's own/ }, path);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
