// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '@bureau/core';
import fc from 'fast-check';
import { CredentialFile, readCredentialFile, readCredentialFileIfAny, writeCredentialFile } from './credential-file.ts';

test('CredentialFile.with keeps comments, unknown lines and order, and appends what is new', () => {
  const text = '# Bureau\nA=1\n\nnot a line of ours\n  B = two = 2 \r\nA=3\n';
  const file = CredentialFile.parse(text);
  assert.equal(file.get('A'), '3');
  assert.equal(file.get('B'), 'two = 2');
  assert.equal(file.get('C'), undefined);
  assert.equal(file.with({ A: '4', C: '5' }).toText(), '# Bureau\nA=4\n\nnot a line of ours\n  B = two = 2 \nC=5\n');
});

test('CredentialFile.with refuses what would break out of its line', () => {
  for (const [key, value] of [
    ['A', 'x\nB=y'],
    ['A', ' x'],
    ['a b', 'x'],
    ['A', 'x\0'],
    ['__proto__', 'x'],
  ]) {
    assert.throws(
      () => CredentialFile.parse('').with({ [key as string]: value as string }),
      (error) => hasCode(error, 'invalid_credential'),
    );
  }
});

test('CredentialFile: what is put in comes out, and nothing else is lost', () => {
  const line = fc.string().map((text) => text.replace(/[\r\n]/g, ' '));
  const value = fc
    .string({ minLength: 1 })
    .map((text) => text.replace(/[\u0000-\u001f\u007f]/g, '').trim())
    .filter((text) => text !== '');
  fc.assert(
    fc.property(fc.array(line, { maxLength: 10 }), value, (lines, secret) => {
      const before = CredentialFile.parse(lines.map((text) => `${text}\n`).join(''));
      const file = before.with({ MATRIX_X: secret });
      assert.equal(CredentialFile.parse(file.toText()).get('MATRIX_X'), secret);
      assert.equal(file.with({ MATRIX_X: secret }).toText(), file.toText());
      const kept = lines.filter((text) => !/^\s*MATRIX_X\s*=/.test(text));
      assert.deepEqual(
        file
          .toText()
          .split('\n')
          .filter((text) => !/^\s*MATRIX_X\s*=/.test(text))
          .slice(0, kept.length),
        kept,
      );
    }),
  );
});

test('readCredentialFile refuses a file that others may read, a symlink and a directory', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-credentials-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'credentials');
  assert.equal(readCredentialFileIfAny(path).toText(), '');
  assert.throws(
    () => readCredentialFile(path),
    (error) => hasCode(error, 'file_missing'),
  );
  writeCredentialFile(path, CredentialFile.parse('A=1'));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(readCredentialFile(path).get('A'), '1');
  chmodSync(path, 0o640);
  assert.throws(
    () => readCredentialFile(path),
    (error) => hasCode(error, 'credential_file_exposed') && error.message.includes('chmod 600'),
  );
  chmodSync(path, 0o600);
  symlinkSync(path, join(directory, 'link'));
  assert.throws(
    () => readCredentialFile(join(directory, 'link')),
    (error) => hasCode(error, 'credential_file_exposed'),
  );
  assert.throws(
    () => readCredentialFile(directory),
    (error) => hasCode(error, 'credential_file_exposed'),
  );
  writeFileSync(path, Buffer.alloc(1_000_000, 0x41));
  assert.throws(
    () => readCredentialFile(path),
    (error) => hasCode(error, 'file_too_large'),
  );
});
