// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
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

test('a disposed secret is nowhere in the memory of this process', () => {
  const mask = randomFillSync(Buffer.alloc(32));
  const source = randomFillSync(Buffer.alloc(32));
  const needle = Buffer.from(source.map((byte, at) => byte ^ (mask[at] ?? 0)));
  const secret = SecretBytes.from(source);
  // Enough to make the young generation move what lives, several times.
  for (let round = 0; round < 200_000; round += 1) void Buffer.from([round]);
  secret[Symbol.dispose]();
  assert.equal(ownMemoryHolds(needle, mask), false);
  const kept = SecretBytes.from(Buffer.from(needle.map((byte, at) => byte ^ (mask[at] ?? 0))));
  assert.equal(ownMemoryHolds(needle, mask), true, 'the search finds one that lives');
  kept[Symbol.dispose]();
});

test('SecretBytes lies off V8’s heap, however short it is', () => {
  // In a process of its own: here, buffers of other tests are collected meanwhile.
  const script = `
    import { SecretBytes } from ${JSON.stringify(new URL('secret-bytes.ts', import.meta.url).href)};
    const before = process.memoryUsage().arrayBuffers;
    const many = Array.from({ length: 1_000 }, () => SecretBytes.from(new Uint8Array(32)));
    console.log(process.memoryUsage().arrayBuffers - before, many.length);
  `;
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
  assert.ok(Number.parseInt(said, 10) >= 32_000, `what lies on the heap is not counted there: ${said}`);
});

test('SecretBytes keeps its pages out of swap where the kernel permits', () => {
  const locked = (): number => Number(/^VmLck:\s+([0-9]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  const before = locked();
  using secret = SecretBytes.from(Buffer.alloc(256 * 1024, 1));
  assert.ok(locked() - before >= 256, `${locked() - before} KiB more`);
  assert.equal(secret.length, 256 * 1024);
  using vast = SecretBytes.from(Buffer.alloc(64 * 2 ** 20));
  assert.equal(vast.length, 64 * 2 ** 20, 'beyond the limit it is kept all the same');
});

/** Searches this process's memory for `needle` XOR `mask`, without having that anywhere itself. */
function ownMemoryHolds(needle: Buffer, mask: Buffer): boolean {
  const first = (needle[0] ?? 0) ^ (mask[0] ?? 0);
  const memory = openSync('/proc/self/mem', 'r');
  const ranges = readFileSync('/proc/self/maps', 'latin1').matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw\S* \S+ \S+ \S+ *([^\n]*)$/gm);
  const chunk = Buffer.alloc(4 * 1024 * 1024 + 31);
  try {
    for (const [, from = '', to = ''] of ranges) {
      const end = Number.parseInt(to, 16);
      for (let at = Number.parseInt(from, 16); at < end; at += chunk.length - 31) {
        const found = holds(chunk.subarray(0, readAt(memory, chunk, at, end)), needle, mask, first);
        chunk.fill(0);
        if (found) return true;
      }
    }
    return false;
  } finally {
    closeSync(memory);
  }
}

function readAt(memory: number, chunk: Buffer, at: number, end: number): number {
  try {
    return readSync(memory, chunk, 0, Math.min(chunk.length, end - at), at);
  } catch {
    return 0; // nothing stands behind that range
  }
}

function holds(bytes: Buffer, needle: Buffer, mask: Buffer, first: number): boolean {
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (needle.every((byte, offset) => bytes[at + offset] === (byte ^ (mask[offset] ?? 0)))) return true;
  }
  return false;
}
