// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { RootCopies } from './root-copies.ts';

test('RootCopies makes a root once, and anew when it would differ, another launcher comes or somebody took a file away', () => {
  const parent = mkdtempSync(join(tmpdir(), 'bureau-root-copies-'));
  try {
    const [directory, hostEtcDirectory] = [join(parent, '.root/3'), join(parent, 'host')];
    mkdirSync(hostEtcDirectory);
    const input = { uid: 5, gid: 5, hostname: 'one', hostEtcDirectory };
    const inode = (): number => statSync(join(directory, 'etc')).ino;
    const copies = new RootCopies();
    copies.ensure(directory, { ...input, mountPoints: [{ path: '/etc/tool', directory: false }] });
    assert.equal(existsSync(join(directory, 'etc/tool')), true);
    copies.ensure(directory, input);
    assert.equal(existsSync(join(directory, 'etc/tool')), false, 'a place of the last spec is not one of this');
    const first = [inode(), statSync(join(directory, 'etc/hosts')).ino];
    copies.ensure(directory, { ...input });
    assert.deepEqual([inode(), statSync(join(directory, 'etc/hosts')).ino], first, 'the same is left alone');
    rmSync(join(directory, 'etc/hosts'));
    copies.ensure(directory, input);
    assert.match(readFileSync(join(directory, 'etc/hosts'), 'utf8'), /^127\.0\.1\.1 one$/m);
    rmSync(join(directory, 'empty'));
    copies.ensure(directory, input);
    assert.equal(existsSync(join(directory, 'empty')), true);
    mkdirSync(join(directory, 'etc/left'));
    new RootCopies().ensure(directory, input);
    assert.equal(existsSync(join(directory, 'etc/left')), false, 'what an earlier launcher left is not trusted');
  } finally {
    rmSync(parent, { recursive: true });
  }
});
