// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { test } from 'node:test';
import { checkPtyBinding, ptyBinding } from './pty-binding.ts';

test('ptyBinding opens a real terminal with the installed node-pty', () => {
  const { master, slave, pty } = ptyBinding().open(80, 24);
  assert.match(pty, /^\/dev\/pts\/\d+$/);
  closeSync(master);
  closeSync(slave);
});

for (const [name, exports] of Object.entries({
  nothing: undefined,
  'no native': {},
  'a native without open': { native: { resize: () => undefined } },
})) {
  test(`checkPtyBinding refuses a node-pty with ${name}`, () => {
    assert.throws(() => checkPtyBinding(exports), { code: 'pty_unavailable', message: /node-pty 1\.1\.0/ });
  });
}

test('checkPtyBinding refuses what open gives when its shape has changed', () => {
  const binding = checkPtyBinding({ native: { open: () => ({ fd: 3, name: '/dev/pts/1' }), resize: () => undefined } });
  assert.throws(() => binding.open(80, 24), { code: 'pty_unavailable', message: /two descriptors/ });
});
