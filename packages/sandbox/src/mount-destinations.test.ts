// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mount } from '@bureau/protocol';
import { isWithin, judgeDestinations } from './mount-destinations.ts';

function tmpfs(destination: string): Mount {
  return { type: 'tmpfs', destination, size: 4_096 };
}

test('judgeDestinations refuses whatever is, holds or lies below something of the sandbox', () => {
  const bad =
    `/usr /usr/local /usr/bin/sh /bin /lib64 /proc /proc/sys /sys /dev /dev/shm /dev/shm/x /tmp /tmp/x /home /home/agent /home/agent/.ssh /workspace
    /workspace/x /run /run/bureau /run/bureau/proxy.sock /proxy.sock /etc /etc/passwd /etc/ld.so.cache /etc/ld.so.preload /etc/ssl /etc/ssl/certs /etc/ssl/certs/x
    /oldroot /newroot/x /etc/mtab /boot`.split(/\s+/);
  for (const destination of bad)
    assert.throws(
      () => judgeDestinations([tmpfs(destination)]),
      { code: 'mount_refused', data: { field: 'mounts[0].destination', destination } },
      destination,
    );
});

test('judgeDestinations admits places beside', () => {
  const good = [
    '/data',
    '/mnt/a',
    '/mnt/b',
    '/opt/tool',
    '/srv/x',
    '/var/cache',
    '/etc/tool',
    '/home/other',
    '/run/tool',
    '/workspace2',
    '/usrlocal',
    '/tmpx',
  ];
  judgeDestinations(good.map(tmpfs));
});

test('judgeDestinations refuses destinations that nest, whatever their order', () => {
  for (const pair of [
    ['/data', '/data'],
    ['/data', '/data/x'],
    ['/data/x/y', '/data'],
  ]) {
    assert.throws(() => judgeDestinations(pair.map(tmpfs)), { code: 'mount_refused', message: /mounts\[0\]/ }, pair.join(' '));
  }
});

test('judgeDestinations refuses what is not a plain absolute path, for callers that skipped the schema', () => {
  for (const destination of ['', '/', 'data', '/data/', '//data', '/a/../usr', '/a/./b', '/a\0b', '/a\nb', '/..', '/.']) {
    assert.throws(() => judgeDestinations([tmpfs(destination)]), { code: 'mount_refused' }, JSON.stringify(destination));
  }
});

test('isWithin compares whole segments', () => {
  assert.ok(isWithin('/a/b', '/a'));
  assert.ok(isWithin('/a', '/a'));
  assert.ok(isWithin('/a', '/'));
  assert.ok(!isWithin('/ab', '/a'));
  assert.ok(!isWithin('/a', '/a/b'));
});
