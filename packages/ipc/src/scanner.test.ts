// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError } from '@bureau/core';
import fc from 'fast-check';
import { Packr, Unpackr } from 'msgpackr/pack';
import { MsgpackScanner } from './scanner.ts';

const scanner = new MsgpackScanner({ maxDepth: 8, maxValues: 200 });

function accepts(bytes: Uint8Array): boolean {
  try {
    scanner.check(bytes, 0, bytes.length);
    return true;
  } catch (error) {
    assert.ok(error instanceof BureauError && error.code === 'malformed_frame', String(error));
    return false;
  }
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('MsgpackScanner accepts one value of each plain type', () => {
  const plain = [
    '00',
    '7f',
    'e0',
    'ff',
    'c0',
    'c2',
    'c3', // small integers, nil, booleans
    'cc ff',
    'cd ffff',
    'ce ffffffff',
    'cf ffffffffffffffff',
    'd0 80',
    'd1 8000',
    'd2 80000000',
    'd3 8000000000000000',
    'ca 3fc00000',
    'cb 3ff8000000000000',
    'a0',
    'a1 61',
    'd9 01 61',
    'da 0001 61',
    'db 00000001 61',
    'c4 00',
    'c4 01 ff',
    'c5 0001 ff',
    'c6 00000001 ff',
    '90',
    '92 01 02',
    'dc 0001 c0',
    'dd 00000001 c0',
    '80',
    '81 a161 01',
    'de 0001 a161 01',
    'df 00000001 a161 01',
    '81 d90161 01',
  ];
  for (const bytes of plain) assert.equal(accepts(hex(bytes)), true, bytes);
});

test('MsgpackScanner refuses every one of them when it is cut short or followed by a byte', () => {
  for (const bytes of [
    'cc ff',
    'cf ffffffffffffffff',
    'cb 3ff8000000000000',
    'a3 616263',
    'db 00000001 61',
    'c6 00000001 ff',
    '92 01 02',
    '82 a161 01 a162 02',
  ]) {
    const whole = hex(bytes);
    for (let length = 0; length < whole.length; length += 1)
      assert.equal(accepts(whole.subarray(0, length)), false, `${bytes} cut to ${length}`);
    assert.equal(accepts(Buffer.concat([whole, hex('c0')])), false, `${bytes} and a byte`);
  }
});

test('MsgpackScanner refuses extension types and the unused byte', () => {
  for (const token of [
    'c1',
    'c7 00 01',
    'c8 0000 01',
    'c9 00000000 01',
    'd4 01 00',
    'd5 01 0000',
    'd6 ff 00000000',
    'd7 ff 0000000000000000',
    `d8 01 ${'00'.repeat(16)}`,
  ]) {
    assert.equal(accepts(hex(token)), false, token);
    assert.equal(accepts(Buffer.concat([hex('81 a161'), hex(token)])), false, `inside a map: ${token}`);
  }
});

test('MsgpackScanner bounds depth and the number of values exactly', () => {
  assert.equal(accepts(hex(`${'91'.repeat(8)}c0`)), true);
  assert.equal(accepts(hex(`${'91'.repeat(9)}c0`)), false);
  assert.equal(accepts(hex(`${'81a161'.repeat(8)}c0`)), true);
  assert.equal(accepts(hex(`${'81a161'.repeat(9)}c0`)), false);
  const list = (count: number): Buffer => Buffer.concat([hex('dc'), Buffer.of(count >> 8, count & 255), Buffer.alloc(count, 0xc0)]);
  assert.equal(accepts(list(199)), true);
  assert.equal(accepts(list(200)), false);
});

test('MsgpackScanner refuses a claim beyond the bytes at hand before it counts', () => {
  for (const claim of ['dc 0064 c0', 'de 0064 a161 c0', '9f c0', '8f a161 c0']) {
    const bytes = hex(claim);
    assert.throws(
      () => scanner.check(bytes, 0, bytes.length),
      { message: /claims (100|15) entries, more than the frame has bytes for/ },
      claim,
    );
  }
});

test('MsgpackScanner finds a key that occurs twice, in small and large maps, however it is written', () => {
  const map = (keys: readonly string[]): Buffer => {
    const entries = keys.map((key) => Buffer.concat([Buffer.of(0xd9, Buffer.byteLength(key)), Buffer.from(key), hex('c0')]));
    return Buffer.concat([Buffer.of(0xde, keys.length >> 8, keys.length & 255), ...entries]);
  };
  for (const count of [2, 12, 13, 60]) {
    const keys = Array.from({ length: count }, (_, index) => `key${index}`);
    assert.equal(accepts(map(keys)), true, `${count} keys`);
    assert.equal(accepts(map([...keys.slice(0, -1), 'key0'])), false, `${count} keys, one twice`);
  }
  assert.equal(accepts(hex('82 a161 01 d90161 02')), false, 'the same text as fixstr and as str 8');
  assert.equal(accepts(hex('82 a161 81 a161 01 a162 81 a161 01')), true, 'the same key at different levels');
});

test('MsgpackScanner refuses the keys that reach a prototype, and keys that are not UTF-8', () => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    assert.equal(accepts(Buffer.concat([Buffer.of(0x81, 0xa0 + key.length), Buffer.from(key), hex('c0')])), false, key);
    assert.equal(
      accepts(Buffer.concat([hex('91 81 a161'), Buffer.of(0x81, 0xd9, key.length), Buffer.from(key), hex('c0')])),
      false,
      `${key} deeper`,
    );
    assert.equal(accepts(Buffer.concat([Buffer.of(0xa0 + key.length), Buffer.from(key)])), true, `${key} as a value`);
  }
  assert.equal(accepts(hex('81 a2 c1bf c0')), false, 'overlong');
  assert.equal(accepts(hex('81 a1 ff c0')), false);
  assert.equal(accepts(hex('81 a2 c3a9 c0')), true, 'é');
});

test('MsgpackScanner: what it accepts, msgpackr decodes; arbitrary bytes only ever give malformed_frame', () => {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      if (accepts(bytes)) unpackr.unpack(Buffer.from(bytes));
    }),
    { numRuns: 5_000 },
  );
});

test('MsgpackScanner: bytes changed in a real frame only ever give malformed_frame or a value', () => {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
  const frame = Buffer.from(
    new Packr({ useRecords: false }).pack({
      type: 'request',
      id: 7,
      method: 'add',
      input: { a: 1.5, list: [1, 'x', null, { b: Buffer.alloc(20) }] },
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const changed = Buffer.from(frame);
      for (const [at, byte] of changes) changed[at] = byte;
      if (accepts(changed)) unpackr.unpack(changed);
    }),
    { numRuns: 5_000 },
  );
});
