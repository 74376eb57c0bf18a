// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BUNDLE_LIFE_MAX, SECRETS_MAX_BYTES, type BundleHeader } from '@bureau/protocol';
import { SecretBytes } from '@bureau/secret';
import * as age from 'age-encryption';
import { recipientOf } from './age-identity.ts';
import { decodeSecrets, openBundle } from './open-bundle.ts';
import { sealBundle, type SealOptions } from './seal-bundle.ts';
import { goodHeader, goodSecrets, standIn } from './stand-in.testing.ts';

const stand = await standIn();
const options: SealOptions = { signer: stand.signer, recipients: [stand.recipient] };

interface Fixture {
  machineIdentity: string;
  machineRecipient: string;
  escrowIdentity: string;
  operatorPublicPem: string;
  header: BundleHeader;
  secretsHex: Record<string, string>;
  sealedBase64: string;
}

test('a bundle of version 1 that was sealed long ago opens still', async () => {
  const fixture = JSON.parse(readFileSync(new URL('./fixtures/bundle-v1.json', import.meta.url), 'utf8')) as Fixture;
  for (const text of [fixture.machineIdentity, fixture.escrowIdentity]) {
    using identity = SecretBytes.from(Buffer.from(text));
    const opened = await openBundle(Buffer.from(fixture.sealedBase64, 'base64'), {
      identity,
      operators: [createPublicKey(fixture.operatorPublicPem)],
      principal: fixture.header.principal,
      machine: fixture.header.machine,
      now: fixture.header.issued_at,
    });
    using secrets = opened.secrets;
    assert.deepEqual(opened.header, fixture.header);
    const found = Object.fromEntries([...decodeSecrets(secrets.bytes)].map(([name, bytes]) => [name, bytes.toString('hex')]));
    assert.deepEqual(found, fixture.secretsHex);
  }
  using identity = SecretBytes.from(Buffer.from(fixture.machineIdentity));
  assert.equal(await recipientOf(identity), fixture.machineRecipient);
});

test('sealBundle writes an age file that another age reads', async () => {
  const sealed = await sealBundle({ header: goodHeader, secrets: goodSecrets() }, options);
  assert.equal(Buffer.from(sealed).subarray(0, 22).toString(), 'age-encryption.org/v1\n');
  const decrypter = new age.Decrypter();
  decrypter.addIdentity(stand.identity.bytes.toString('ascii'));
  const plain = Buffer.from(await decrypter.decrypt(sealed));
  assert.ok(plain.includes('hunter2-hunter2-hunter2'));
  assert.ok(!Buffer.from(sealed).includes('hunter2'));
  assert.ok(!Buffer.from(sealed).includes('iree'));
});

test('sealBundle leaves the caller its secrets', async () => {
  const secrets = goodSecrets();
  await sealBundle({ header: goodHeader, secrets }, options);
  assert.deepEqual(secrets, goodSecrets());
});

test('sealBundle seals the most that a bundle may hold', async () => {
  const secrets = new Map([['MATRIX_TOKEN', new Uint8Array(SECRETS_MAX_BYTES - 100).fill(0x61)]]);
  const sealed = await sealBundle({ header: goodHeader, secrets }, options);
  const opened = await openBundle(sealed, { ...stand.rules, identity: stand.identity });
  using plain = opened.secrets;
  assert.equal(decodeSecrets(plain.bytes).get('MATRIX_TOKEN')?.length, SECRETS_MAX_BYTES - 100);
});

for (const [why, header, secrets] of [
  ['a header field that is not valid', { ...goodHeader, machine: 'workstation' }, goodSecrets()],
  ['an unknown field', { ...goodHeader, more: 1 }, goodSecrets()],
  ['an end before the start', { ...goodHeader, expires_at: goodHeader.issued_at }, goodSecrets()],
  ['too long a life', { ...goodHeader, expires_at: goodHeader.issued_at + BUNDLE_LIFE_MAX + 1 }, goodSecrets()],
  ['an injection without its secret', goodHeader, new Map()],
  ['a secret with a line end that goes into a header', goodHeader, new Map([['MATRIX_TOKEN', Buffer.from('a\r\nX-Evil: 1')]])],
  ['a secret that ends in a line end', goodHeader, new Map([['MATRIX_TOKEN', Buffer.from('token\n')]])],
  ['a secret with NUL', goodHeader, new Map([['MATRIX_TOKEN', Buffer.from('a\0b')]])],
  ['an empty secret that goes into a header', goodHeader, new Map([['MATRIX_TOKEN', new Uint8Array()]])],
  ['a file without its secret', { ...goodHeader, files: { SSH_KEY: 'id' } }, goodSecrets()],
  [
    'two secrets as one file',
    { ...goodHeader, files: { MATRIX_TOKEN: 'a', B: 'a' } },
    new Map([...goodSecrets(), ['B', Buffer.from('b')]]),
  ],
  ['a file name that leads elsewhere', { ...goodHeader, files: { MATRIX_TOKEN: '../a' } }, goodSecrets()],
  ['a secret under a name that is none', { ...goodHeader, upstreams: {} }, new Map([['lower', new Uint8Array(1)]])],
  ['too many bytes of secrets', goodHeader, new Map([['MATRIX_TOKEN', new Uint8Array(SECRETS_MAX_BYTES)]])],
  [
    'too many secrets',
    { ...goodHeader, upstreams: {} },
    new Map(Array.from({ length: 257 }, (_, index) => [`A${index}`, new Uint8Array(1)])),
  ],
] as const) {
  test(`sealBundle refuses ${why}`, async () => {
    await assert.rejects(sealBundle({ header: header as BundleHeader, secrets }, options), { code: 'bundle_invalid', name: 'UsageError' });
  });
}

for (const [why, recipients] of [
  ['no recipient', []],
  ['too many', Array.from({ length: 9 }, () => stand.recipient)],
  ['an identity by mistake, without quoting it', ['AGE-SECRET-KEY-1HUNTER2']],
  ['a wrong checksum', [`${stand.recipient.slice(0, -1)}${stand.recipient.endsWith('q') ? 'p' : 'q'}`]],
  ['a recipient of another kind', [`age1pq1${'q'.repeat(55)}`]],
  ['text', ['bob']],
] as const) {
  test(`sealBundle refuses ${why}`, async () => {
    await assert.rejects(
      sealBundle({ header: goodHeader, secrets: goodSecrets() }, { ...options, recipients }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'recipient_invalid');
        assert.doesNotMatch(`${error.stack} ${String(error.cause)}`, /HUNTER2/);
        return true;
      },
    );
  });
}

test('sealBundle refuses a signer that is no private Ed25519 key', async () => {
  for (const signer of [createPublicKey(stand.signer), generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey]) {
    await assert.rejects(sealBundle({ header: goodHeader, secrets: goodSecrets() }, { ...options, signer }), { code: 'signer_invalid' });
  }
});
