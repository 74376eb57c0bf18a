// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const TRIES = `
const { takeThreadUid } = await import(${JSON.stringify(import.meta.resolve('./index.ts'))});
const { readFileSync } = await import('node:fs');
const uids = () => /^Uid:\\s+(.*)$/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))[1];
const before = uids();
console.log(JSON.stringify([takeThreadUid(Number(process.argv[1])), before === uids(), uids()]));
`;

function tries(uid: number, as: readonly string[]): unknown {
  const args = [...as, process.execPath, '--input-type=module', '-e', TRIES, String(uid)];
  return JSON.parse(spawnSync('/usr/bin/setpriv', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).stdout);
}

test('takeThreadUid() is refused to an ordinary user, and changes nothing then', () => {
  assert.deepEqual(tries(0, ['--reuid', '4711', '--clear-groups']), [false, true, Array(4).fill('4711').join('\t')]);
});

test('takeThreadUid() takes what the kernel gives: the check that it is refused can fail', () => {
  assert.deepEqual(tries(4_711, ['--reuid', '0']), [true, false, Array(4).fill('4711').join('\t')]);
});
