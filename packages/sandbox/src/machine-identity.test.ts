// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as v from 'valibot';
import { identitySettings, type IdentitySettings } from './machine-identity-stores.ts';
import { migrateIdentity, openMachineIdentity } from './machine-identity.ts';

const FILE = settings({ store: 'file' });

function settings(more: Partial<v.InferInput<typeof identitySettings>>): IdentitySettings {
  return v.parse(identitySettings, { v: 1, ...more });
}

function directoryOf(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-identity-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('openMachineIdentity() makes one once, 0600, with its recipient in the clear', async (context) => {
  const directory = directoryOf(context);
  const first = await openMachineIdentity(directory, FILE);
  const second = await openMachineIdentity(directory, FILE);
  assert.match(first.recipient, /^age1/);
  assert.equal(second.recipient, first.recipient);
  assert.deepEqual(second.identity.bytes, first.identity.bytes);
  assert.equal(statSync(`${directory}/identity.age`).mode & 0o777, 0o600);
  assert.equal(readFileSync(`${directory}/recipient`, 'utf8'), `${first.recipient}\n`);
});

test('openMachineIdentity() writes a recipient that a crash kept from being written, or that is another’s', async (context) => {
  const directory = directoryOf(context);
  const { recipient } = await openMachineIdentity(directory, FILE);
  rmSync(`${directory}/recipient`);
  await openMachineIdentity(directory, FILE);
  assert.equal(readFileSync(`${directory}/recipient`, 'utf8'), `${recipient}\n`);
  writeFileSync(`${directory}/recipient`, 'age1other\n');
  await openMachineIdentity(directory, FILE);
  assert.equal(readFileSync(`${directory}/recipient`, 'utf8'), `${recipient}\n`);
});

test('openMachineIdentity() refuses an identity that others may write, and never makes another over a damaged one', async (context) => {
  const directory = directoryOf(context);
  await openMachineIdentity(directory, FILE);
  chmodSync(`${directory}/identity.age`, 0o622);
  await assert.rejects(openMachineIdentity(directory, FILE), { code: 'file_unsafe' });
  chmodSync(`${directory}/identity.age`, 0o600);
  writeFileSync(`${directory}/identity.age`, 'AGE-SECRET-KEY-1damaged');
  await assert.rejects(openMachineIdentity(directory, FILE));
  assert.equal(readFileSync(`${directory}/identity.age`, 'utf8'), 'AGE-SECRET-KEY-1damaged');
});

/** A TPM 2 in software (Debian: swtpm), with a state that outlives it; ends with the test. */
async function startTpm(context: TestContext, directory: string): Promise<{ device: string; stop: () => Promise<void> }> {
  const state = join(directory, 'tpm');
  mkdirSync(state, { recursive: true });
  const socket = join(directory, 'tpm.sock');
  const server = [`--server=type=unixio,path=${socket}`, `--ctrl=type=unixio,path=${socket}.ctrl`, '--flags=not-need-init,startup-clear'];
  const child = spawn('/usr/bin/swtpm', ['socket', '--tpm2', '--tpmstate', `dir=${state}`, ...server], { stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  context.after(stop);
  await Promise.race([once(child, 'spawn'), once(child, 'error').then(([error]) => Promise.reject(error as Error))]);
  while (!existsSync(socket) && child.exitCode === null) await new Promise((resolve) => setImmediate(resolve));
  return { device: `swtpm:path=${socket}`, stop };
}

test('a new identity goes into the TPM where there is one, comes back from it, and lies nowhere in the clear', async (context) => {
  const directory = directoryOf(context);
  const state = join(directory, 'state');
  mkdirSync(state);
  const tpm = await startTpm(context, directory);
  const withTpm = settings({ tpm2_device: tpm.device });
  const made = await openMachineIdentity(state, withTpm);
  assert.deepEqual([made.store, made.notBetter], ['tpm2', []]);
  assert.deepEqual(readdirSync(state).toSorted(), ['identity.tpm2', 'recipient']);
  assert.equal(statSync(join(state, 'identity.tpm2')).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(join(state, 'identity.tpm2'), 'latin1'), /AGE-SECRET/);
  await tpm.stop();
  await startTpm(context, directory);
  const again = await openMachineIdentity(state, withTpm);
  assert.deepEqual(again.identity.bytes, made.identity.bytes);
});

test('an identity whose TPM is gone or another is told clearly, and no other is made in its place', async (context) => {
  const directory = directoryOf(context);
  const state = join(directory, 'state');
  mkdirSync(state);
  const tpm = await startTpm(context, directory);
  const withTpm = settings({ tpm2_device: tpm.device });
  await openMachineIdentity(state, withTpm);
  await tpm.stop();
  const gone = { code: 'identity_unavailable', message: /bureau credential recover/ };
  await assert.rejects(openMachineIdentity(state, withTpm), gone);
  rmSync(join(directory, 'tpm'), { recursive: true });
  await startTpm(context, directory);
  await assert.rejects(openMachineIdentity(state, withTpm), gone, 'another TPM at the same place');
  assert.deepEqual(readdirSync(state).toSorted(), ['identity.tpm2', 'recipient']);
});

test('systemd-creds: the host key seals it, and what was sealed for something else is refused', async (context) => {
  const directory = directoryOf(context);
  const made = await openMachineIdentity(directory, settings({ store: 'systemd-creds' }));
  assert.equal(made.store, 'systemd-creds');
  assert.match(made.notBetter.join(), /^$/);
  assert.deepEqual((await openMachineIdentity(directory)).identity.bytes, made.identity.bytes);
  writeFileSync(
    join(directory, 'identity.cred'),
    Buffer.from(readFileSync(join(directory, 'identity.cred'), 'latin1').replace(/.{10}\n/, 'AAAAAAAAAA\n'), 'latin1'),
    { mode: 0o600 },
  );
  await assert.rejects(openMachineIdentity(directory), { code: 'identity_unavailable' });
});

test('migrateIdentity() moves it between all stores with its recipient, and leaves it where it was when the new one fails', async (context) => {
  const directory = directoryOf(context);
  const state = join(directory, 'state');
  mkdirSync(state);
  let tpm = await startTpm(context, directory);
  const withTpm = settings({ store: 'file', tpm2_device: tpm.device });
  const { recipient } = await openMachineIdentity(state, withTpm);
  for (const [to, file] of [
    ['systemd-creds', 'identity.cred'],
    ['tpm2', 'identity.tpm2'],
    ['file', 'identity.age'],
  ] as const) {
    assert.equal((await migrateIdentity(state, to, withTpm)).store, to);
    // Without the kernel's resource manager a TPM has three sessions in all; a restart is what /dev/tpmrm0 does after each caller.
    await tpm.stop();
    tpm = await startTpm(context, directory);
    assert.deepEqual(readdirSync(state).toSorted(), [file, 'recipient']);
    assert.equal((await openMachineIdentity(state, withTpm)).recipient, recipient);
    await tpm.stop();
    tpm = await startTpm(context, directory);
  }
  await tpm.stop();
  await assert.rejects(migrateIdentity(state, 'tpm2', withTpm), { code: 'identity_unavailable' });
  assert.equal((await openMachineIdentity(state, withTpm)).store, 'file');
});

test('a crash in the middle of a migration leaves two copies: the better is used, the worse when the better cannot be read', async (context) => {
  const directory = directoryOf(context);
  const { recipient, identity } = await openMachineIdentity(directory, FILE);
  const copy = Buffer.from(identity.bytes);
  await migrateIdentity(directory, 'systemd-creds', FILE);
  writeFileSync(join(directory, 'identity.age'), copy, { mode: 0o600 });
  assert.equal((await openMachineIdentity(directory, FILE)).store, 'systemd-creds');
  writeFileSync(join(directory, 'identity.cred'), 'damaged', { mode: 0o600 });
  const found = await openMachineIdentity(directory, FILE);
  assert.deepEqual([found.store, found.recipient], ['file', recipient]);
});
