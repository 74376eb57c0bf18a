// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SecretBytes } from '@bureau/secret';
import { generateOperatorKey, operatorSigner, readOperatorKeys } from './operator-keys.ts';

function directory(context: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const path = fs.mkdtempSync(join(tmpdir(), 'bureau-operators-'));
  context.after(() => fs.rmSync(path, { recursive: true }));
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(join(path, name), content, { mode: 0o644 });
  return path;
}

const { privatePem, publicPem } = generateOperatorKey();
const other = generateOperatorKey();

test('generateOperatorKey writes the PEM that OpenSSL writes', () => {
  const key = createPrivateKey({ key: privatePem.bytes, format: 'pem' });
  assert.equal(privatePem.bytes.toString('ascii'), key.export({ format: 'pem', type: 'pkcs8' }).toString());
  assert.equal(createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString(), publicPem);
});

test('operatorSigner takes a private Ed25519 PEM alone, and never quotes what it got', () => {
  assert.equal(operatorSigner(privatePem).type, 'private');
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  for (const text of ['', 'hunter2', publicPem, ec, privatePem.bytes.toString('ascii').slice(0, 60)]) {
    assert.throws(
      () => operatorSigner(SecretBytes.from(Buffer.from(text))),
      (error: Error & { code: string }) => error.code === 'operator_key_malformed' && !`${error.stack}`.includes('hunter2'),
    );
  }
});

test('readOperatorKeys reads every .pub file and nothing else, in the order of names', (context) => {
  const path = directory(context, { 'b.pub': publicPem, 'a.pub': other.publicPem, 'readme.txt': 'hello', 'c.pub.bak': 'junk' });
  assert.deepEqual(
    readOperatorKeys(path).map((key) => key.export({ format: 'pem', type: 'spki' })),
    [other.publicPem, publicPem],
  );
  assert.deepEqual(readOperatorKeys(directory(context)), []);
});

test('readOperatorKeys refuses a file that somebody else owns or may write, and a symlink', (context) => {
  const path = directory(context, { 'a.pub': publicPem, 'b.pub': other.publicPem });
  const file = join(path, 'b.pub');
  for (const mode of [0o664, 0o646]) {
    fs.chmodSync(file, mode);
    assert.throws(() => readOperatorKeys(path), { code: 'operators_unsafe', data: { path: file } });
  }
  fs.chmodSync(file, 0o644);
  fs.chownSync(file, 200_000, 200_000);
  assert.throws(() => readOperatorKeys(path), { code: 'operators_unsafe' });
  fs.rmSync(file);
  fs.symlinkSync(join(path, 'a.pub'), file);
  assert.throws(() => readOperatorKeys(path), { code: 'operators_unsafe' });
  fs.rmSync(file);
  assert.equal(readOperatorKeys(path).length, 1);
});

test('readOperatorKeys refuses a directory that somebody else owns or may write, and a symlink to one', (context) => {
  const path = directory(context, { 'a.pub': publicPem });
  for (const mode of [0o775, 0o757, 0o1777]) {
    fs.chmodSync(path, mode);
    assert.throws(() => readOperatorKeys(path), { code: 'operators_unsafe' });
  }
  fs.chmodSync(path, 0o755);
  fs.chownSync(path, 200_000, 0);
  assert.throws(() => readOperatorKeys(path), { code: 'operators_unsafe' });
  fs.chownSync(path, 0, 0);
  const link = join(directory(context), 'link');
  fs.symlinkSync(path, link);
  assert.throws(() => readOperatorKeys(link), { code: 'operators_unsafe' });
  assert.throws(() => readOperatorKeys(join(path, 'none')), { code: 'operators_missing' });
  assert.throws(() => readOperatorKeys(join(path, 'a.pub')), { code: 'operators_unsafe' });
});

test('readOperatorKeys refuses a file that holds no public Ed25519 key', (context) => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'pem', type: 'spki' }).toString();
  for (const [content, code] of [
    ['', 'operator_key_malformed'],
    ['junk', 'operator_key_malformed'],
    [ec, 'operator_key_malformed'],
    [privatePem.bytes.toString('ascii'), 'operator_key_malformed'],
    [`${privatePem.bytes.toString('ascii')}${publicPem}`, 'operator_key_malformed'],
    ['x'.repeat(5_000), 'operators_unsafe'],
  ] as const) {
    assert.throws(() => readOperatorKeys(directory(context, { 'a.pub': content })), { code });
  }
});

test('readOperatorKeys refuses a crowd', (context) => {
  const files = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`${index}.pub`, publicPem]));
  assert.throws(() => readOperatorKeys(directory(context, files)), { code: 'operators_unsafe' });
});
