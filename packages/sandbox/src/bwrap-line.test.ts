// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bwrapLine } from './bwrap-line.ts';

const UID = 200_016;

test('bwrapLine passes options by descriptor and leaves the command as it is', () => {
  const line = bwrapLine({ command: ['--help', 'a b'], terminal: true, overlays: [], uid: UID });
  assert.deepEqual(line.slice(0, 9), ['/usr/bin/bwrap', '--args', '3', '--seccomp', '4', '--json-status-fd', '5', '--block-fd', '6']);
  assert.deepEqual(line.slice(line.indexOf('--')), ['--', '--help', 'a b']);
  assert.ok(!line.includes('--new-session'), 'the command makes it, with the terminal');
  const piped = bwrapLine({ command: ['x'], terminal: false, overlays: [], uid: UID });
  assert.deepEqual(piped.slice(9), ['--die-with-parent', '--new-session', '--', 'x']);
});

test('bwrapLine stands whole behind what puts overlays together, and no path of theirs is a part of a script', () => {
  const overlay = { lower: { path: '/lower; true', identity: '1:2' }, upper: 4_096, stage: '/base/0' };
  const parts = { command: ['x'], terminal: false, uid: UID };
  const line = bwrapLine({ ...parts, overlays: [overlay] });
  const plain = bwrapLine({ ...parts, overlays: [] });
  assert.equal(line[0], '/usr/bin/unshare');
  assert.deepEqual(line.slice(-plain.length), plain);
  assert.deepEqual(
    line.filter((word) => word.includes('lower; true')),
    ['/lower; true'],
  );
});
