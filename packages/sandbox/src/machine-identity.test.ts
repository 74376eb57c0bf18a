// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openMachineIdentity } from './machine-identity.ts';

function directoryOf(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-identity-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('openMachineIdentity() makes one once, 0600, with its recipient in the clear', async (context) => {
  const directory = directoryOf(context);
  const first = await openMachineIdentity(directory);
  const second = await openMachineIdentity(directory);
  assert.match(first.recipient, /^age1/);
  assert.equal(second.recipient, first.recipient);
  assert.deepEqual(second.identity.bytes, first.identity.bytes);
  assert.equal(statSync(`${directory}/identity.age`).mode & 0o777, 0o600);
  assert.equal(readFileSync(`${directory}/recipient`, 'utf8'), `${first.recipient}\n`);
});

test('openMachineIdentity() writes a recipient that a crash kept from being written, or that is another’s', async (context) => {
  const directory = directoryOf(context);
  const { recipient } = await openMachineIdentity(directory);
  rmSync(`${directory}/recipient`);
  await openMachineIdentity(directory);
  assert.equal(readFileSync(`${directory}/recipient`, 'utf8'), `${recipient}\n`);
  writeFileSync(`${directory}/recipient`, 'age1other\n');
  await openMachineIdentity(directory);
  assert.equal(readFileSync(`${directory}/recipient`, 'utf8'), `${recipient}\n`);
});

test('openMachineIdentity() refuses an identity that others may write, and never makes another over a damaged one', async (context) => {
  const directory = directoryOf(context);
  await openMachineIdentity(directory);
  chmodSync(`${directory}/identity.age`, 0o622);
  await assert.rejects(openMachineIdentity(directory), { code: 'file_unsafe' });
  chmodSync(`${directory}/identity.age`, 0o600);
  writeFileSync(`${directory}/identity.age`, 'AGE-SECRET-KEY-1damaged');
  await assert.rejects(openMachineIdentity(directory));
  assert.equal(readFileSync(`${directory}/identity.age`, 'utf8'), 'AGE-SECRET-KEY-1damaged');
});
