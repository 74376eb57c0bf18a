// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import fc from 'fast-check';
import { PRINCIPAL_NUMBER_MAX } from './limits.ts';
import { PrincipalNumbers } from './principal-numbers.ts';

function file(context: TestContext): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-numbers-'));
  context.after(() => fs.rmSync(directory, { recursive: true }));
  return join(directory, 'principals.json');
}

const p = parsePrincipalName;

test('PrincipalNumbers.numberOf is on disk when it returns', (context) => {
  const path = file(context);
  const numbers = new PrincipalNumbers(path);
  assert.equal(numbers.numberOf(p('iree/pm')), 0);
  assert.deepEqual(JSON.parse(fs.readFileSync(path, 'utf8')), { v: 1, principals: { 'iree/pm': 0 } });
  assert.equal(numbers.numberOf(p('iree/coder')), 1);
  assert.equal(numbers.numberOf(p('iree/pm')), 0);
  assert.equal(fs.statSync(path).mode & 0o777, 0o600);
  const again = new PrincipalNumbers(path);
  assert.deepEqual(again.all(), [
    { principal: 'iree/pm', number: 0 },
    { principal: 'iree/coder', number: 1 },
  ]);
  assert.equal(again.find(p('iree/coder')), 1);
  assert.equal(again.find(p('nobody')), undefined);
  assert.equal(again.nameOf(0), 'iree/pm');
  assert.equal(again.nameOf(2), undefined);
});

test('PrincipalNumbers.numberOf gives no number that it could not write', (context) => {
  const path = file(context);
  const numbers = new PrincipalNumbers(path);
  fs.mkdirSync(path);
  assert.throws(() => numbers.numberOf(p('a')), { code: 'file_write_failed' });
  assert.equal(numbers.find(p('a')), undefined);
  fs.rmdirSync(path);
  assert.equal(numbers.numberOf(p('b')), 0);
});

test('PrincipalNumbers.numberOf never gives a number again, gaps included', (context) => {
  const path = file(context);
  fs.writeFileSync(path, '{"v":1,"principals":{"a":7}}');
  assert.equal(new PrincipalNumbers(path).numberOf(p('b')), 8);
});

test('PrincipalNumbers.numberOf refuses names whose workspaces would nest, and names the other', (context) => {
  const numbers = new PrincipalNumbers(file(context));
  numbers.numberOf(p('iree/pm'));
  numbers.numberOf(p('solo'));
  for (const [name, other] of [
    ['iree', 'iree/pm'],
    ['iree/pm/helper', 'iree/pm'],
    ['iree/pm/a/b/c', 'iree/pm'],
    ['solo/x', 'solo'],
  ] as const) {
    assert.throws(() => numbers.numberOf(p(name)), { code: 'workspace_conflict', data: { principal: name, conflict: other } }, name);
    assert.equal(numbers.find(p(name)), undefined);
  }
  for (const name of ['iree/pm2', 'iree/p', 'ire', 'iree2/pm', 'sol', 'solos']) numbers.numberOf(p(name));
});

test('PrincipalNumbers keeps numbers unique and workspaces apart for any sequence of names', (context) => {
  const path = file(context);
  const name = fc.array(fc.constantFrom('a', 'b', 'c', 'a-'), { minLength: 1, maxLength: 4 }).map((parts) => p(parts.join('/')));
  fc.assert(
    fc.property(fc.array(name, { maxLength: 12 }), (names) => {
      fs.rmSync(path, { force: true });
      const numbers = new PrincipalNumbers(path);
      for (const one of names) {
        try {
          numbers.numberOf(one);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'workspace_conflict');
        }
      }
      const all = new PrincipalNumbers(path).all();
      assert.deepEqual(all, numbers.all());
      assert.deepEqual(
        all.map((entry) => entry.number),
        all.map((_, index) => index),
      );
      for (const a of all)
        for (const b of all) assert.ok(!b.principal.startsWith(`${a.principal}/`), `${b.principal} lies in ${a.principal}`);
    }),
    { numRuns: 30 },
  );
});

test('PrincipalNumbers says when all numbers are given', (context) => {
  const path = file(context);
  fs.writeFileSync(path, JSON.stringify({ v: 1, principals: { a: PRINCIPAL_NUMBER_MAX } }));
  assert.throws(() => new PrincipalNumbers(path).numberOf(p('b')), { code: 'principals_exhausted' });
});

for (const [why, content] of [
  ['half a file', '{"v":1,"princ'],
  ['an empty file', ''],
  ['a newer version', '{"v":2,"principals":{}}'],
  ['two principals with one number', '{"v":1,"principals":{"a":0,"b":0}}'],
  ['a name that is none', '{"v":1,"principals":{"../x":0}}'],
  ['a number out of range', '{"v":1,"principals":{"a":32001}}'],
  ['a negative number', '{"v":1,"principals":{"a":-1}}'],
] as const) {
  test(`PrincipalNumbers refuses ${why} rather than start from nothing`, (context) => {
    const path = file(context);
    fs.writeFileSync(path, content);
    assert.throws(() => new PrincipalNumbers(path), { code: 'file_malformed' });
    assert.equal(fs.readFileSync(path, 'utf8'), content);
  });
}
