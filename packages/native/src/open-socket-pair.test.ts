// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { openSocketPair } from './open-socket-pair.ts';
import { receiveBytes, receiveDescriptors, sendDescriptors } from './pass-descriptors.ts';

/** As `/proc/self/fdinfo` shows it among the flags. */
const CLOSE_ON_EXEC = 0o2000000;
const NONBLOCK = 0o4000;

test('openSocketPair gives two connected blocking sockets that no program inherits', () => {
  const [one, other] = openSocketPair();
  for (const end of [one, other]) {
    const flags = Number.parseInt(/^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${end}`, 'latin1'))?.[1] ?? '', 8);
    assert.deepEqual([flags & CLOSE_ON_EXEC, flags & NONBLOCK], [CLOSE_ON_EXEC, 0]);
  }
  const file = openSync('/etc/hostname', 'r');
  sendDescriptors(one, Buffer.from('with'), [file]);
  writeSync(one, ' and more');
  closeSync(file);
  const message = receiveDescriptors(other, 4, 1);
  assert.equal(message?.bytes.toString(), 'with');
  assert.equal(readFileSync(message.descriptors[0]!, 'utf8'), readFileSync('/etc/hostname', 'utf8'));
  assert.equal(receiveBytes(other, 4).toString(), ' and');
  assert.equal(receiveBytes(other, 5).toString(), ' more');
  closeSync(message.descriptors[0]!);
  closeSync(one);
  assert.throws(() => receiveBytes(other, 1), { code: 'peer_gone' });
  closeSync(other);
});

test('receiveBytes tells how much came before the end', () => {
  const [one, other] = openSocketPair();
  writeSync(one, 'ab');
  closeSync(one);
  assert.throws(() => receiveBytes(other, 3), /Expected 3 bytes, found the end of the socket after 2/);
  closeSync(other);
});
