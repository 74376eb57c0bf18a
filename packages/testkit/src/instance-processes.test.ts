// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCommand } from './command.ts';
import { instanceProcesses, lasting, roleOf } from './instance-processes.ts';

const WAIT_MILLISECONDS = 20_000;
/** Above every instance's range. */
const NOBODYS_UIDS = 2 ** 31;
/** Forks, as whoever starts a program does before that one's arguments are there. */
const FORKS = 'import os, time; child = os.fork(); child and print("both"); time.sleep(1000)';

test('a process that still has the arguments of the one that starts it is no second one of its kind, and does not last', async () => {
  const name = `p${process.pid.toString(36)}`;
  await using stand = startCommand('/usr/bin/python3', ['-u', '-c', FORKS, '/none/lib/stand.js', '--instance', name]);
  await stand.stdout.waitFor('both', WAIT_MILLISECONDS);
  const found = instanceProcesses({ name, uidBase: NOBODYS_UIDS });
  assert.deepEqual(found.map(({ role }) => role).toSorted(), ['other', 'stand']);
  assert.deepEqual(
    lasting(found, /./).map((line) => line.split(' ').slice(0, 2).join(' ')),
    [`stand ${stand.pid}`],
  );
});

test('a process that just ends, its memory given back and not a zombie yet, is nobody’s payload, proxy or service any more', () => {
  const marks = { name: 'nosuch', uidBase: 1_000_000 };
  for (const [uid, role] of [
    [1_000_018, 'payload:1'],
    [1_000_019, 'proxy:1'],
    [1_000_000, 'daemon'],
  ] as const) {
    assert.equal(roleOf(marks, { uid, args: ['sleep'], zombie: false }), role);
    assert.equal(roleOf(marks, { uid, args: [], zombie: true }), role);
    assert.equal(roleOf(marks, { uid, args: [], zombie: false }), 'other');
  }
  assert.equal(roleOf(marks, { uid: 0, args: [], zombie: true }), 'other');
});
