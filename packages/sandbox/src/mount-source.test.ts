// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveMountSource, resolveMountSources } from './mount-source.ts';

function scratch(): Disposable & { readonly path: string } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'bureau-source-')));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test('resolveMountSource knows directories, files and what is not there', () => {
  using directory = scratch();
  writeFileSync(join(directory.path, 'file'), '');
  assert.deepEqual(resolveMountSource(directory.path), { path: directory.path, kind: 'directory' });
  assert.deepEqual(resolveMountSource(join(directory.path, 'file')), { path: join(directory.path, 'file'), kind: 'file' });
  assert.equal(resolveMountSource(join(directory.path, 'missing/below')), undefined);
  assert.equal(resolveMountSource(join(directory.path, 'file/below')), undefined);
});

test('resolveMountSource refuses a link in any part of the path, magic ones too', () => {
  using directory = scratch();
  mkdirSync(join(directory.path, 'real/sub'), { recursive: true });
  symlinkSync('real', join(directory.path, 'link'));
  symlinkSync('/etc', join(directory.path, 'outside'));
  for (const path of ['link', 'link/sub', 'outside', 'outside/passwd', 'link/../real']) {
    assert.throws(() => resolveMountSource(join(directory.path, '/') + path), { code: 'mount_refused', message: /symbolic link/ }, path);
  }
  for (const path of ['/proc/self/root/etc', '/proc/self/cwd', '/bin/sh'])
    assert.throws(() => resolveMountSource(path), { code: 'mount_refused' }, path);
  assert.equal(resolveMountSource(join(directory.path, 'real/sub'))?.kind, 'directory', 'control: without the link');
});

test('resolveMountSource refuses sockets, pipes and devices, without touching them', async () => {
  using directory = scratch();
  const socket = join(directory.path, 'docker.sock');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  execFileSync('mkfifo', [join(directory.path, 'pipe')]);
  try {
    for (const path of [socket, join(directory.path, 'pipe'), '/dev/null'])
      assert.throws(() => resolveMountSource(path), { code: 'mount_refused', message: /socket, device or pipe/ }, path);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('resolveMountSources wants every source that is not optional, and leaves no descriptor', () => {
  using directory = scratch();
  const mount = (
    source: string,
    optional: boolean,
  ): { type: 'bind'; source: string; destination: string; mode: 'ro'; optional: boolean } => ({
    type: 'bind',
    source,
    destination: '/x',
    mode: 'ro',
    optional,
  });
  const before = readdirSync('/proc/self/fd').length;
  resolveMountSources({
    mounts: [mount(directory.path, false), mount(join(directory.path, 'missing'), true), { type: 'tmpfs', destination: '/t', size: 4_096 }],
  });
  assert.throws(() => resolveMountSources({ mounts: [mount(join(directory.path, 'missing'), false)] }), {
    code: 'mount_refused',
    message: /no such/,
  });
  assert.throws(
    () => resolveMountSources({ mounts: [mount('/bin/sh', true)] }),
    { code: 'mount_refused' },
    'optional forgives absence only',
  );
  assert.equal(readdirSync('/proc/self/fd').length, before);
});
