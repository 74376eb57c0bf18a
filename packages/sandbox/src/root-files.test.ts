// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import fc from 'fast-check';
import { GENERATED_ETC } from './layout.ts';
import { hostnameOf, rootFiles, writeRootFiles } from './root-files.ts';

test('rootFiles makes every file that the sandbox binds, naming one user and no host', () => {
  const files = rootFiles({ uid: 200_022, gid: 200_022, hostname: 'iree-pm' });
  assert.deepEqual([...files.keys()].toSorted(), [...GENERATED_ETC, 'empty'].toSorted());
  assert.match(files.get('passwd') ?? '', /^agent:x:200022:200022:agent:\/home\/agent:\/bin\/sh$/m);
  assert.equal(files.get('resolv.conf'), '');
  assert.equal(files.get('empty'), '');
});

test('writeRootFiles leaves root’s files in a root’s directory, and changes only what differs', () => {
  const parent = mkdtempSync(join(tmpdir(), 'bureau-root-files-'));
  const directory = join(parent, '3');
  const umask = process.umask(0o077);
  try {
    writeRootFiles(directory, { uid: 5, gid: 5, hostname: 'one' });
    assert.equal(statSync(directory).mode & 0o7777, 0o755);
    for (const name of readdirSync(directory)) {
      const { mode, uid, gid } = statSync(join(directory, name));
      assert.deepEqual([mode & 0o7777, uid, gid], [0o644, 0, 0], name);
    }
    const before = statSync(join(directory, 'passwd')).ino;
    writeFileSync(join(directory, 'hosts'), 'half');
    writeRootFiles(directory, { uid: 5, gid: 5, hostname: 'two' });
    assert.equal(readFileSync(join(directory, 'hostname'), 'utf8'), 'two\n');
    assert.match(readFileSync(join(directory, 'hosts'), 'utf8'), /^127\.0\.1\.1 two$/m);
    assert.equal(statSync(join(directory, 'passwd')).ino, before);
  } finally {
    process.umask(umask);
    rmSync(parent, { recursive: true });
  }
});

test('hostnameOf gives a host name for every principal', () => {
  assert.equal(hostnameOf(parsePrincipalName('iree/amdgpu/pm')), 'iree-amdgpu-pm');
  assert.equal(hostnameOf(parsePrincipalName('=/=')), 'agent');
  const segment = fc
    .stringMatching(/^[a-z0-9=-][a-z0-9._=-]{0,20}$/)
    .filter((text) => !text.endsWith('.sock') && !/^[0-9]+$/.test(text) && !['bureau', 'machine', 'service', 'fleet'].includes(text));
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 3 }), (segments) => {
      assert.match(hostnameOf(parsePrincipalName(segments.join('/'))), /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    }),
  );
});
