// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { startStand, suiteTest, type IpcEngine } from './compliance-stand.ts';
import { HandClock } from './testing-clock.ts';

/** Streams, as an honest client sees them. */
export function streamCompliance(engine: IpcEngine): void {
  suiteTest('stream gives all chunks in order, then the result', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const stream = client.stream('count', { to: 5_000 });
    const got: number[] = [];
    for await (const chunk of stream) got.push(chunk);
    assert.deepEqual(
      got,
      Array.from({ length: 5_000 }, (_, index) => index),
    );
    assert.deepEqual(await stream.result, { last: 5_000 });
    const empty = client.stream('count', { to: 0 });
    for await (const _ of empty) assert.fail('no chunk was expected');
    assert.deepEqual(await empty.result, { last: 0 });
  });

  suiteTest('stream: the server is not pulled without credit, and goes on when the client takes', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client({ limits: { streamCredit: 8 } });
    const iterator = client.stream('count', { to: 1_000 })[Symbol.asyncIterator]();
    assert.deepEqual(await iterator.next(), { value: 0, done: false });
    // Answered after everything that the stream could send.
    await client.call('add', { a: 1 });
    await client.call('add', { a: 1 });
    assert.equal(stand.witness.pulled, 8);
    for (let index = 1; index < 4; index += 1) await iterator.next();
    await client.call('add', { a: 1 });
    await client.call('add', { a: 1 });
    assert.equal(stand.witness.pulled, 12, 'half of the credit was given back');
    await iterator.return?.();
  });

  suiteTest('stream: many at once do not mix', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const sums = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        let sum = 0;
        for await (const chunk of client.stream('count', { to: index * 10 })) sum += chunk;
        return sum;
      }),
    );
    assert.deepEqual(
      sums,
      Array.from({ length: 50 }, (_, index) => 5 * index * Math.max(0, index * 10 - 1)),
    );
  });

  suiteTest('stream: leaving the loop runs the finally of the generator and rejects the result with "cancelled"', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const stream = client.stream('count', { to: 1e9 });
    for await (const chunk of stream) if (chunk === 100) break;
    await stand.witness.seen('finally count');
    await assert.rejects(stream.result, { code: 'cancelled' });
    assert.deepEqual(await client.call('add', { a: 1 }), { sum: 2 });
  });

  suiteTest('stream: cancel() and an abort end one that waits, on both sides', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const first = client.stream('watch', {});
    const seen: string[] = [];
    const loop = (async () => {
      for await (const chunk of first) {
        seen.push(chunk);
        first.cancel();
      }
    })();
    await assert.rejects(loop, { code: 'cancelled' });
    assert.deepEqual(seen, ['first']);
    await stand.witness.seen('finally watch cancelled');
    const controller = new AbortController();
    const second = client.stream('watch', {}, { signal: controller.signal })[Symbol.asyncIterator]();
    await second.next();
    const waiting = second.next();
    controller.abort();
    await assert.rejects(waiting, { code: 'cancelled' });
    while (stand.witness.finished.length < 2) await client.call('add', { a: 1 });
  });

  suiteTest('stream: an error of the generator comes after its chunks', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const stream = client.stream('breaks', { after: 3 });
    const got: number[] = [];
    const loop = (async () => {
      for await (const chunk of stream) got.push(chunk);
    })();
    await assert.rejects(loop, { code: 'not_running', message: 'It broke.' });
    assert.deepEqual(got, [0, 1, 2]);
    await assert.rejects(stream.result, { code: 'not_running' });
  });

  suiteTest('stream: an input or a chunk that the schema does not allow', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    await assert.rejects(client.stream('count', { to: -1 }).result, { code: 'invalid_input', data: { path: 'to' } });
    const stream = client.stream('lies', {});
    const got: number[] = [];
    const loop = (async () => {
      for await (const chunk of stream) got.push(chunk);
    })();
    await assert.rejects(loop, {
      code: 'invalid_output',
      message: /suite\.lies sent a chunk: expected number, found a text of 3 characters/,
    });
    assert.deepEqual(got, [1]);
    await stand.witness.seen('finally lies');
  });

  suiteTest('stream: a deadline ends it on the server', async () => {
    const clock = new HandClock();
    await using stand = await startStand(engine, { clock });
    using client = await stand.client({ clock: new HandClock() });
    const stream = client.stream('watch', {}, { deadlineMilliseconds: 5_000 })[Symbol.asyncIterator]();
    await stream.next();
    clock.advance(5_000);
    await assert.rejects(stream.next(), { code: 'deadline_exceeded' });
    await stand.witness.seen('finally watch deadline_exceeded');
  });

  suiteTest('stream: a lost client and a closing server both end the generator', async () => {
    await using stand = await startStand(engine);
    const lost = await stand.client();
    const first = lost.stream('watch', {})[Symbol.asyncIterator]();
    await first.next();
    lost.close();
    await assert.rejects(first.next(), { code: 'connection_lost' });
    await stand.witness.seen('finally watch connection_lost');
    const client = await stand.client();
    const second = client.stream('watch', {})[Symbol.asyncIterator]();
    await second.next();
    const closing = stand.server.close();
    await assert.rejects(second.next(), { code: 'connection_lost', message: /the server is closing/ });
    await closing;
    assert.deepEqual(stand.witness.finished, ['watch', 'watch']);
  });

  suiteTest('stream: a slow reader of large chunks holds the generator, not the memory', async () => {
    await using stand = await startStand(engine, { limits: { backlogBytes: 64 * 1024 } });
    using client = await stand.client({ limits: { streamCredit: 1_000 } });
    const size = 256 * 1024;
    const stream = client.stream('blobs', { size });
    let taken = 0;
    for await (const chunk of stream) {
      assert.equal(chunk.length, size);
      taken += 1;
      if (taken === 50) break;
    }
    await stand.witness.seen('finally blobs');
    assert.ok(stand.witness.pulled < 1_000);
  });

  suiteTest('stream: it can be iterated once', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const stream = client.stream('count', { to: 1 });
    for await (const _ of stream);
    assert.throws(() => stream[Symbol.asyncIterator](), TypeError);
  });
}
