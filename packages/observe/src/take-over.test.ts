// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { encodeFrame } from '@bureau/ipc';
import { openSocketPair, sendDescriptors } from '@bureau/native';
import { receiveTakeOver } from './take-over.ts';

const CONFIG = { v: 1, build: 'b', principal: 'a/b', holdForObserver: false, exitFile: '/x', allowedUids: [0] };

/** What a starter sends; each part may be another. */
interface Sent {
  readonly magic?: string;
  readonly parts?: number;
  readonly descriptors?: number;
  readonly flags?: number;
  readonly init?: number;
  readonly head?: Buffer;
  readonly said?: Buffer;
  readonly records?: Buffer;
  readonly failure?: Buffer;
  readonly config?: Buffer;
  /** Instead of the length of the first part. */
  readonly length?: number;
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function received({ magic = 'BRT1', parts = 5, descriptors = 7, flags = 1, init = 42, ...rest }: Sent): ReturnType<typeof receiveTakeOver> {
  const [starter, relay] = openSocketPair();
  const file = openSync('/dev/null', 'r+');
  const nothing = Buffer.alloc(0);
  const {
    head = Buffer.concat([number(flags), number(init), number(7)]),
    said = nothing,
    records = nothing,
    failure = nothing,
    config = encodeFrame(CONFIG),
  } = rest;
  try {
    sendDescriptors(
      starter,
      Buffer.concat([Buffer.from(magic), number(parts)]),
      Array.from({ length: descriptors }, () => file),
    );
    for (const [at, part] of [head, said, records, failure, config].entries())
      writeSync(starter, Buffer.concat([number(at === 0 ? (rest.length ?? part.length) : part.length), part]));
    closeSync(starter);
    return receiveTakeOver(relay);
  } finally {
    for (const each of [file, relay]) closeSync(each);
  }
}

function record(kind: number, text: string): Buffer {
  return Buffer.concat([Buffer.from([kind]), number(text.length), Buffer.from(text)]);
}

function closeAll(taken: ReturnType<typeof receiveTakeOver>): void {
  const { log, listener, outputLog, status, stdio, gate, scratch } = taken;
  for (const each of [log, listener, outputLog, status, ...Object.values(stdio), ...(gate === undefined ? [] : [gate]), ...scratch])
    closeSync(each);
}

test('a sandbox is taken over with all that its starter has of it', async () => {
  const records = Buffer.concat([record(0, 'one'), record(1, 'two'), record(0x81, 'three')]);
  const taken = received({ records, said: Buffer.from('{ "child-pid": 42 }\n'), flags: 3, descriptors: 11 });
  assert.deepEqual(await taken.config, CONFIG);
  assert.deepEqual(
    taken.early.map(({ from, data, logged }) => [from, data.toString(), logged]),
    [
      ['output', 'one', true],
      ['error', 'two', true],
      ['error', 'three', false],
    ],
  );
  assert.deepEqual([taken.init, taken.said, taken.failure, taken.gate], [42, '{ "child-pid": 42 }\n', '', undefined]);
  assert.equal(taken.runsSince, 7);
  assert.deepEqual(Object.keys(taken.stdio), ['input', 'output', 'error']);
  assert.equal(taken.scratch.length, 4);
  closeAll(taken);
});

test('a sandbox with a terminal that was not let run has a gate, and no first process when none was named', () => {
  const taken = received({ flags: 0, init: 0, descriptors: 6, failure: Buffer.from('why') });
  assert.ok(taken.gate !== undefined && 'terminal' in taken.stdio);
  assert.deepEqual([taken.init, taken.failure, taken.scratch], [undefined, 'why', []]);
  closeAll(taken);
});

const BAD: Readonly<Record<string, readonly [Sent, RegExp]>> = {
  'another message': [{ magic: 'BRT2' }, /another message/],
  'more parts': [{ parts: 6 }, /another message/],
  'descriptors that fit no kind': [{ descriptors: 6 }, /6 descriptors/],
  'a part that is too long': [{ length: 0xffff_fff0 }, /a part of 4294967280 bytes/],
  'a part that is cut off': [{ length: 4_000 }, /found the end of the socket/],
  'no head': [{ head: Buffer.alloc(0) }, /a head of 0 bytes/],
  'a record that is cut off': [{ records: record(0, 'text').subarray(0, 7) }, /a record that is cut off/],
};
for (const [name, [sent, why]] of Object.entries(BAD)) {
  test(`a take-over with ${name} is refused, and no descriptor of it is left`, () => {
    const before = readdirSync('/proc/self/fd').length;
    assert.throws(() => received(sent), why);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
}

test('a configuration of another build is told when it is wanted', async () => {
  const taken = received({ config: encodeFrame({ ...CONFIG, terminal: true }) });
  await assert.rejects(taken.config, { code: 'bad_config' });
  closeAll(taken);
});
