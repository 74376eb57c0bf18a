// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import fc from 'fast-check';
import { GENERATED_ETC } from './layout.ts';
import { hostnameOf, rootFiles, writeRootFiles } from './root-files.ts';

test('rootFiles makes every file that the sandbox binds, naming one user and no host', () => {
  const files = rootFiles({ uid: 200_022, gid: 200_022, hostname: 'iree-pm' });
  assert.deepEqual([...files.keys()].toSorted(), [...GENERATED_ETC].toSorted());
  assert.match(files.get('passwd') ?? '', /^agent:x:200022:200022:agent:\/home\/agent:\/bin\/sh$/m);
  assert.equal(files.get('resolv.conf'), '');
});

test('writeRootFiles leaves root’s files in a root’s directory, and changes only what differs', () => {
  const parent = mkdtempSync(join(tmpdir(), 'bureau-root-files-'));
  const [directory, hostEtcDirectory] = [join(parent, '3'), join(parent, 'host')];
  const etc = join(directory, 'etc');
  const input = {
    uid: 5,
    gid: 5,
    hostEtcDirectory,
    mountPoints: [
      { path: '/etc/tool/on/file', directory: false },
      { path: '/opt', directory: true },
    ],
  };
  const umask = process.umask(0o077);
  try {
    mkdirSync(join(hostEtcDirectory, 'ssl/certs'), { recursive: true });
    writeRootFiles(directory, { ...input, hostname: 'one' });
    for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
      const found = lstatSync(join(directory, name));
      const expected = found.isDirectory() ? 0o755 : found.isFile() ? 0o644 : 0o777;
      assert.deepEqual([found.mode & 0o7777, found.uid, found.gid], [expected, 0, 0], name);
    }
    assert.equal(readlinkSync(join(etc, 'ssl/certs')), '../.host/ssl/certs');
    assert.equal(existsSync(join(etc, 'services')), false, 'no link to what the host does not have');
    assert.equal(readFileSync(join(etc, 'tool/on/file'), 'utf8'), '');
    assert.deepEqual(readdirSync(directory).toSorted(), ['empty', 'etc'], 'places outside /etc are bubblewrap’s to make');
    const before = statSync(join(etc, 'passwd')).ino;
    writeFileSync(join(etc, 'hosts'), 'half');
    writeRootFiles(directory, { ...input, hostname: 'two' });
    assert.equal(readFileSync(join(etc, 'hostname'), 'utf8'), 'two\n');
    assert.match(readFileSync(join(etc, 'hosts'), 'utf8'), /^127\.0\.1\.1 two$/m);
    assert.equal(statSync(join(etc, 'passwd')).ino, before);
  } finally {
    process.umask(umask);
    rmSync(parent, { recursive: true });
  }
});

test('hostnameOf gives a host name for every principal', () => {
  assert.equal(hostnameOf(parsePrincipalName('iree/amdgpu/pm')), 'iree-amdgpu-pm');
  assert.equal(hostnameOf(parsePrincipalName('=/=')), 'agent');
  const segment = fc
    .stringMatching(/^[a-z0-9=][a-z0-9._=-]{0,20}$/)
    .filter((text) => !text.endsWith('.sock') && !/^[0-9]+$/.test(text) && !['bureau', 'machine', 'service', 'fleet'].includes(text));
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 3 }), (segments) => {
      assert.match(hostnameOf(parsePrincipalName(segments.join('/'))), /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    }),
  );
});
