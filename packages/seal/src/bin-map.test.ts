// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr, unpack } from 'msgpackr';
import { decodeBinMap, encodeBinMap } from './bin-map.ts';

// msgpackr writes and reads the key __proto__ as another one; no secret has that name.
const key = fc.stringMatching(/^[A-Za-z0-9_]{0,64}$/).filter((name) => name !== '__proto__');
const value = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(255, 256, 65_535, 65_536).map((length) => new Uint8Array(length)),
);
const entries = fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, maxLength: 20 });

function plain(map: ReadonlyMap<string, Uint8Array> | undefined): Record<string, Buffer> | undefined {
  return map === undefined ? undefined : Object.fromEntries([...map].map(([name, bytes]) => [name, Buffer.from(bytes)]));
}

test('decodeBinMap reads what encodeBinMap wrote', () => {
  fc.assert(
    fc.property(entries, (list) => {
      assert.deepEqual(plain(decodeBinMap(encodeBinMap(list), 20)), plain(new Map(list)));
    }),
  );
});

test('encodeBinMap writes what msgpackr reads, and decodeBinMap reads what msgpackr writes', () => {
  const packr = new Packr({ useRecords: false, mapsAsObjects: true });
  fc.assert(
    fc.property(entries, (list) => {
      const objects = Object.fromEntries(list.map(([name, bytes]) => [name, Buffer.from(bytes)]));
      assert.deepEqual({ ...(unpack(encodeBinMap(list)) as object) }, objects);
      assert.deepEqual(plain(decodeBinMap(Buffer.from(packr.pack(objects)), 20)), objects);
    }),
    { numRuns: 50 },
  );
});

test('encodeBinMap gives memory that is not pooled', () => {
  const bytes = encodeBinMap([['a', Uint8Array.of(1)]]);
  assert.ok(bytes.buffer.byteLength < 64);
});

test('decodeBinMap refuses every truncation and every addition', () => {
  const whole = encodeBinMap([
    ['header', Buffer.from('abc')],
    ['x'.repeat(40), new Uint8Array(300)],
  ]);
  for (let length = 0; length < whole.length; length += 1) assert.equal(decodeBinMap(whole.subarray(0, length), 3), undefined);
  assert.equal(decodeBinMap(Buffer.concat([whole, Buffer.of(0)]), 3), undefined);
});

for (const [why, hex] of [
  ['a key twice', '82a161c40101a161c40102'],
  ['a string for a value', '81a161a162'],
  ['a number for a value', '81a16101'],
  ['nil for a value', '81a161c0'],
  ['a map in a map', '81a16181a161c40101'],
  ['a number for a key', '8101c40101'],
  ['bin for a key', '81c40161c40101'],
  ['an array', '91c40101'],
  ['an extension', 'd40100'],
  ['a key of 65 bytes', `81d941${'61'.repeat(65)}c40101`],
  ['a key that is not ASCII', '81a2c3a9c40101'],
  ['a key with NUL', '81a100c40101'],
  ['more entries than allowed', '84a161c400a162c400a163c400a164c400'],
  ['4,294,967,295 entries in five bytes', 'dfffffffff'],
  ['4 GiB of value in ten bytes', '81a161c6ffffffff0000'],
  ['nothing', ''],
] as const) {
  test(`decodeBinMap refuses ${why}`, () => assert.equal(decodeBinMap(Buffer.from(hex, 'hex'), 3), undefined));
}

test('decodeBinMap takes any length encoding of the same map', () => {
  for (const hex of ['81a161c40101', 'de0001d90161c500 01 01', 'df00000001da000161c60000000101', '81db0000000161c40101']) {
    assert.deepEqual(plain(decodeBinMap(Buffer.from(hex.replaceAll(' ', ''), 'hex'), 3)), { a: Buffer.of(1) });
  }
});

test('decodeBinMap never throws, and its values lie in what it was given', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      const total = [...(decodeBinMap(buffer, 10) ?? new Map<string, Buffer>()).values()].reduce((sum, part) => sum + part.length, 0);
      assert.ok(total <= bytes.length);
    }),
    { numRuns: 3_000 },
  );
});
