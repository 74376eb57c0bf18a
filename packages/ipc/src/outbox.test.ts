// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { Outbox } from './outbox.ts';

/** A socket that takes everything within write(), or nothing until `take`. */
class FakeSocket {
  writableLength = 0;
  destroyed = false;
  writableEnded = false;
  readonly written: { readonly bytes: Buffer; readonly text: string }[] = [];
  readonly #quick: boolean;
  #done: (() => void)[] = [];

  constructor(quick: boolean) {
    this.#quick = quick;
  }

  write(bytes: Buffer, done?: () => void): void {
    this.written.push({ bytes, text: bytes.toString('latin1') });
    this.writableLength += bytes.length;
    if (done !== undefined) this.#done.push(done);
    if (this.#quick) this.take();
  }

  take(): void {
    this.writableLength = 0;
    for (const done of this.#done.splice(0)) done();
  }
}

function outboxOn(quick: boolean): { readonly outbox: Outbox; readonly socket: FakeSocket } {
  const socket = new FakeSocket(quick);
  return { socket, outbox: new Outbox(socket as unknown as Socket) };
}

const add = (outbox: Outbox, text: string): void => outbox.add(Buffer.from(text), 0, text.length);

test('Outbox writes the frames of one turn as one buffer, at its end', async () => {
  const { outbox, socket } = outboxOn(true);
  add(outbox, 'one');
  add(outbox, 'three');
  assert.equal(socket.written.length, 0);
  assert.equal(outbox.queued, 4 + 3 + 4 + 5);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    socket.written.map(({ text }) => text),
    ['\0\0\0\x03one\0\0\0\x05three'],
  );
  assert.equal(outbox.queued, 0);
});

test('Outbox wipes a buffer when the kernel has taken it, not before', () => {
  const quick = outboxOn(true);
  add(quick.outbox, 'hunter2');
  quick.outbox.flush();
  assert.ok(quick.socket.written[0]?.bytes.every((byte) => byte === 0));
  const slow = outboxOn(false);
  for (const text of ['hunter2', 'hunter3']) {
    add(slow.outbox, text);
    slow.outbox.flush();
  }
  assert.ok(
    slow.socket.written.every(({ bytes, text }) => bytes.toString('latin1') === text),
    'still needed',
  );
  slow.socket.take();
  assert.ok(slow.socket.written.every(({ bytes }) => bytes.every((byte) => byte === 0)));
});

test('Outbox: frames of every size come out whole and in order', async () => {
  const { outbox, socket } = outboxOn(true);
  const sizes = [1, 4_091, 4_092, 4_093, 65_531, 65_532, 65_533, 200_000, 0, 7, 30_000, 30_000, 30_000];
  for (const [index, size] of sizes.entries()) add(outbox, String.fromCharCode(97 + index).repeat(size));
  await new Promise((resolve) => setImmediate(resolve));
  let stream = socket.written.map(({ text }) => text).join('');
  for (const [index, size] of sizes.entries()) {
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32BE(size);
    assert.equal(stream.slice(0, 4), prefix.toString('latin1'), `size ${size}`);
    assert.equal(stream.slice(4, 4 + size), String.fromCharCode(97 + index).repeat(size));
    stream = stream.slice(4 + size);
  }
  assert.equal(stream, '');
});
