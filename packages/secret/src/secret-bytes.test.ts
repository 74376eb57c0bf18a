// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { SecretBytes } from './secret-bytes.ts';

const plain = 'hunter2-hunter2';

test('SecretBytes.from takes the bytes over and zeroes its source', () => {
  const source = Buffer.from(plain);
  using secret = SecretBytes.from(source);
  assert.equal(secret.bytes.toString(), plain);
  assert.deepEqual(source, Buffer.alloc(plain.length));
});

test('SecretBytes lies in memory of its own, not in the pool', () => {
  using secret = SecretBytes.from(Buffer.from(plain));
  assert.equal(secret.bytes.buffer.byteLength, plain.length);
  assert.equal(secret.bytes.byteOffset, 0);
  using copy = secret.clone();
  assert.equal(copy.bytes.buffer.byteLength, plain.length);
});

test('SecretBytes zeroes its memory at dispose, seen through a second view of it', () => {
  let view: Uint8Array;
  {
    using secret = SecretBytes.from(Buffer.from(plain));
    view = new Uint8Array(secret.bytes.buffer);
    assert.equal(Buffer.from(view).toString(), plain);
  }
  assert.deepEqual(view, new Uint8Array(plain.length));
});

test('SecretBytes.clone outlives its origin', () => {
  const origin = SecretBytes.from(Buffer.from(plain));
  using copy = origin.clone();
  origin[Symbol.dispose]();
  assert.equal(copy.bytes.toString(), plain);
});

test('SecretBytes refuses use after dispose, and may be disposed twice', () => {
  const secret = SecretBytes.from(Buffer.from(plain));
  secret[Symbol.dispose]();
  secret[Symbol.dispose]();
  for (const use of [() => secret.bytes, () => secret.length, () => secret.clone()]) assert.throws(use, { code: 'secret_disposed' });
  assert.equal(String(secret), '[secret]');
});

test('SecretBytes shows itself nowhere', () => {
  using secret = SecretBytes.from(Buffer.from(plain));
  const shown = [
    inspect(secret, { showHidden: true, depth: 10 }),
    inspect({ deep: [secret] }, { depth: 10 }),
    format('%s %o %O %j', secret, secret, secret, secret),
    String(secret),
    `${secret as unknown as string}`,
    JSON.stringify({ secret }),
    (secret as unknown as string) + '',
    Object.entries(secret).join(),
    secret.toString(),
  ];
  for (const text of shown) {
    for (const form of [
      plain,
      Buffer.from(plain).toString('base64'),
      Buffer.from(plain).toString('hex').slice(0, 8),
      '104, 117',
      '104,117',
      '68 75 6e',
    ]) {
      assert.ok(!text.includes(form), `shown as ${text}`);
    }
  }
  assert.equal(inspect(secret), '[secret]');
  assert.equal(JSON.stringify({ secret }), '{"secret":"[secret]"}');
  assert.deepEqual(Object.keys(secret), []);
});

test('SecretBytes loses its content in a structured clone', () => {
  using secret = SecretBytes.from(Buffer.from(plain));
  assert.deepEqual({ ...structuredClone(secret as object) }, {});
});
