// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecretBytes } from '@bureau/secret';
import * as age from 'age-encryption';
import fc from 'fast-check';
import { generateIdentity, recipientOf } from './age-identity.ts';
import { decodeBech32, encodeBech32 } from './bech32.ts';

const ascii = (text: string): SecretBytes => SecretBytes.from(Buffer.from(text, 'latin1'));

test('generateIdentity makes what age-encryption takes', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { identity, recipient } = await generateIdentity();
    const text = identity.bytes.toString('ascii');
    assert.match(text, /^AGE-SECRET-KEY-1[A-Z0-9]{58}$/);
    assert.equal(await age.identityToRecipient(text), recipient);
  }
});

test('recipientOf agrees with age-encryption', async () => {
  for (let round = 0; round < 5; round += 1) {
    const text = await age.generateX25519Identity();
    assert.equal(await recipientOf(ascii(text)), await age.identityToRecipient(text));
    assert.equal(await recipientOf(ascii(`${text}\n`)), await age.identityToRecipient(text));
  }
});

test('recipientOf refuses an identity with any one character changed', async () => {
  const text = await age.generateX25519Identity();
  for (let index = 0; index < text.length; index += 1) {
    const other = text[index] === 'Q' ? 'P' : 'Q';
    await assert.rejects(recipientOf(ascii(text.slice(0, index) + other + text.slice(index + 1))), { code: 'identity_malformed' });
  }
});

test('recipientOf refuses what is no identity, and never quotes it', async () => {
  const text = await age.generateX25519Identity();
  for (const bad of [
    '',
    '\n',
    text.slice(0, -1),
    `${text}Q`,
    ` ${text}`,
    `${text} `,
    `${text}\n\n`,
    `${text}\r\n`,
    text.toLowerCase(),
    `${text.slice(0, 30).toLowerCase()}${text.slice(30)}`,
    'AGE-SECRET-KEY-1',
    'x'.repeat(5_000),
    text.replace('KEY-1', 'KEY-PQ-1'),
    'AGE-SECRET-KEY-1\u00e9',
  ]) {
    await assert.rejects(recipientOf(ascii(bad)), (error: Error & { code: string }) => {
      assert.equal(error.code, 'identity_malformed');
      assert.ok(!`${error.stack}`.includes(text.slice(20, 40)));
      return true;
    });
  }
});

test('decodeBech32 reads what encodeBech32 wrote, under the same prefix only', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z-]{1,20}$/), fc.uint8Array({ maxLength: 64 }), (prefix, data) => {
      const text = encodeBech32(prefix, data);
      assert.deepEqual(decodeBech32(prefix, text), Buffer.from(data));
      assert.equal(decodeBech32(`${prefix}x`, text), undefined);
    }),
  );
});

test('encodeBech32 gives the checksums of BIP 173', () => {
  // From its list of valid strings.
  assert.equal(encodeBech32('a', new Uint8Array()).toString(), 'a12uel5l');
  assert.deepEqual(
    decodeBech32('1', Buffer.from('11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j')),
    Buffer.alloc(51),
  );
  assert.deepEqual(
    decodeBech32('abcdef', Buffer.from('abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw')),
    Buffer.from('00443214c74254b635cf84653a56d7c675be77df', 'hex'),
  );
});
