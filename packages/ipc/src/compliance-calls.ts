// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { call } from '@bureau/protocol';
import * as v from 'valibot';
import { startStand, suiteContract, suiteTest, type IpcEngine } from './compliance-stand.ts';
import { HandClock, machineClock } from './testing-clock.ts';

/** Requests and answers, as an honest client sees them. */
export function callCompliance(engine: IpcEngine): void {
  suiteTest('call gives the output, with defaults of the input schema filled in', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    assert.deepEqual(await client.call('add', { a: 2, b: 3 }), { sum: 5 });
    assert.deepEqual(await client.call('add', { a: 2 }), { sum: 3 });
  });

  suiteTest('call: a thousand at once find their own answers, also out of order', async () => {
    await using stand = await startStand(engine, { limits: { maxConcurrent: 2_000 } });
    using client = await stand.client();
    const slow = client.call('hold', { key: 'slow' });
    const sums = await Promise.all(Array.from({ length: 1_000 }, (_, index) => client.call('add', { a: index, b: index })));
    assert.deepEqual(
      sums,
      Array.from({ length: 1_000 }, (_, index) => ({ sum: 2 * index })),
    );
    stand.witness.held.get('slow')?.resolve({ key: 'slow' });
    assert.deepEqual(await slow, { key: 'slow' });
  });

  suiteTest('call carries bytes of every size up to the frame, unchanged', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    for (const size of [0, 1, 255, 256, 4_095, 65_535, 65_536, 200_000, 1_000_000]) {
      const data = Buffer.alloc(size, `${size} `);
      const answer = await client.call('echoBytes', { data });
      assert.equal(Buffer.compare(answer.data, data), 0, `${size} bytes`);
    }
  });

  suiteTest('call carries text of every script, and replaces a lone surrogate', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    for (const text of ['', 'plain', 'größe', '日本語', '한국어', '👩‍🚀 \u0000 \u2028', 'x'.repeat(100_000), 'é'.repeat(70_000)]) {
      assert.equal((await client.call('echoText', { text })).text, text);
    }
    const lone = await client.call('echoText', { text: 'a\ud800b' });
    assert.match(lone.text, /^a\ufffd+b$/, 'replaced');
    assert.deepEqual(await client.call('add', { a: 1 }), { sum: 2 });
  });

  suiteTest('call: a BureauError of the handler keeps code, message and data', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    await assert.rejects(client.call('fail', { how: 'known' }), {
      name: 'BureauError',
      code: 'principal_busy',
      message: 'It is busy.',
      data: { principal: 'a/b', tries: 3, all: ['x'], none: null },
    });
  });

  suiteTest('call: any other error becomes "internal", tells the client nothing, and is logged with its trace', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const traceId = 'ab'.repeat(16);
    await assert.rejects(client.call('fail', { how: 'unknown' }, { traceId }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'internal');
      assert.doesNotMatch(error.message, /hunter2/);
      assert.match(error.message, new RegExp(traceId));
      return true;
    });
    assert.ok(stand.witness.logged.some(({ level, fields }) => level === 'error' && 'traceId' in fields && fields.traceId === traceId));
  });

  suiteTest('call: a wrong input is refused with the path of the field and without its value', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    await assert.rejects(client.call('nested', { list: [{ name: 'x' }, { name: 5 as never }] }), {
      code: 'invalid_input',
      message: /suite\.nested.*"list\.1\.name".*expected string, found the number 5/,
      data: { path: 'list.1.name' },
    });
    await assert.rejects(client.call('nested', { list: [], secret: 'hunter2' } as never), (error: Error & { code: string }) => {
      assert.equal(error.code, 'invalid_input');
      assert.match(error.message, /"secret"/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
    await assert.rejects(client.call('add', { a: Number.NaN }), { code: 'invalid_input', data: { path: 'a' } });
    await assert.rejects(client.call('add', { a: 1e300 }), { code: 'invalid_input', data: { path: 'a' } });
    await assert.rejects(client.call('add', { a: 2n ** 63n } as never), { code: 'invalid_input' });
    await assert.rejects(client.call('add', undefined as never), { code: 'invalid_input' });
  });

  suiteTest('call: what is not plain data is refused before it is sent, and the connection lives', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    let deep: unknown = 1;
    for (let level = 0; level < 100; level += 1) deep = [deep];
    const bad = [
      cycle,
      new Date(),
      { when: new Date() },
      deep,
      JSON.parse('{"__proto__": 1}'),
      { constructor: 1 },
      Symbol('x'),
      { f: () => 1 },
    ];
    for (const input of bad) await assert.rejects(client.call('any', input), { code: 'invalid_input' });
    assert.deepEqual(await client.call('any', { a: undefined, b: [null, true, -1.5] }), { b: [null, true, -1.5] });
    assert.deepEqual(await client.call('add', { a: 1 }), { sum: 2 });
  });

  suiteTest('call: a wrong output is refused on the client', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    await assert.rejects(client.call('lie', {}), { code: 'invalid_output', data: { path: 'truth' } });
  });

  suiteTest('call: a method that the server does not have', async () => {
    await using stand = await startStand(engine);
    const contract = { name: 'suite', methods: { ...suiteContract.methods, fly: call(v.strictObject({}), v.strictObject({})) } } as const;
    using client = await engine.connect({ path: stand.path, contract, role: 'client', build: 'b', clock: machineClock });
    await assert.rejects(client.call('fly', {}), { code: 'unknown_method', message: /no method "fly"; it has add, / });
    for (const method of ['__proto__', 'constructor', 'toString', '']) {
      await assert.rejects(client.call(method as never, {} as never), { code: 'unknown_method' });
    }
  });

  suiteTest('call: a frame beyond the limit fails alone, whichever side would send it', async () => {
    await using stand = await startStand(engine, { limits: { maxFrameBytes: 10_000 } });
    using client = await stand.client({ limits: { maxFrameBytes: 10_000 } });
    await assert.rejects(client.call('echoBytes', { data: Buffer.alloc(10_001) }), {
      code: 'frame_too_large',
      message: /A frame may have 10000 bytes; this one has 10\d\d\d/,
    });
    await assert.rejects(client.call('blob', { size: 20_000 }), { code: 'frame_too_large' });
    assert.equal((await client.call('blob', { size: 9_900 })).data.length, 9_900);
  });

  suiteTest('hello: each side learns role and build of the other; the kernel says the uid; the trace id travels', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const uid = process.getuid?.() ?? 0;
    assert.deepEqual(client.peer, { role: 'server', build: 'server-build', uid });
    const traceId = '0123456789abcdef'.repeat(2);
    assert.deepEqual(await client.call('trace', {}, { traceId }), { traceId, uid, role: 'client', build: 'client-build' });
    assert.match((await client.call('trace', {})).traceId, /^[0-9a-f]{32}$/);
  });

  suiteTest('call: an abort rejects with "cancelled" and reaches the handler', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    await assert.rejects(client.call('add', { a: 1 }, { signal: AbortSignal.abort() }), { code: 'cancelled' });
    const controller = new AbortController();
    const held = client.call('hold', { key: 'k' }, { signal: controller.signal });
    await stand.witness.seen('k');
    controller.abort(new Error('enough'));
    await assert.rejects(held, { code: 'cancelled' });
    await stand.witness.seen('aborted k cancelled');
    assert.deepEqual(await client.call('add', { a: 1 }), { sum: 2 });
  });

  suiteTest('call: the deadline ends it on both sides', async () => {
    const serverClock = new HandClock();
    await using stand = await startStand(engine, { clock: serverClock });
    const clientClock = new HandClock();
    using client = await stand.client({ clock: clientClock });
    const byServer = client.call('hold', { key: 's' }, { deadlineMilliseconds: 1_000 });
    await stand.witness.seen('s');
    serverClock.advance(999);
    assert.equal(stand.witness.held.get('s')?.context.signal.aborted, false);
    serverClock.advance(1);
    await assert.rejects(byServer, { code: 'deadline_exceeded', message: /suite\.hold.*1000 ms/ });
    await stand.witness.seen('aborted s deadline_exceeded');
    const byClient = client.call('hold', { key: 'c' }, { deadlineMilliseconds: 500 });
    const later = client.call('hold', { key: 'later' }, { deadlineMilliseconds: 60_000 });
    await Promise.all([stand.witness.seen('c'), stand.witness.seen('later')]);
    clientClock.advance(500);
    await assert.rejects(byClient, { code: 'deadline_exceeded' });
    await stand.witness.seen('aborted c cancelled');
    stand.witness.held.get('later')?.resolve({ key: 'later' });
    assert.deepEqual(await later, { key: 'later' });
  });

  suiteTest('client.close aborts what runs on the server and rejects what waits', async () => {
    await using stand = await startStand(engine);
    const client = await stand.client();
    const held = client.call('hold', { key: 'k' });
    await stand.witness.seen('k');
    client.close();
    client.close();
    await assert.rejects(held, { code: 'connection_lost' });
    await client.closed;
    await Promise.all([stand.witness.seen('aborted k connection_lost'), stand.witness.seen('closed k')]);
    await assert.rejects(client.call('add', { a: 1 }), { code: 'connection_lost' });
  });

  suiteTest('server.close lets calls finish, takes no new ones, and then ends connections', async () => {
    await using stand = await startStand(engine);
    using client = await stand.client();
    const held = client.call('hold', { key: 'k' });
    await stand.witness.seen('k');
    const closing = stand.server.close();
    await assert.rejects(client.call('add', { a: 1 }), { code: 'connection_lost' });
    await assert.rejects(stand.client(), { code: 'connection_refused' });
    stand.witness.held.get('k')?.resolve({ key: 'finished' });
    assert.deepEqual(await held, { key: 'finished' });
    await closing;
    await client.closed;
    await stand.server.close();
  });

  suiteTest('server.close does not wait longer than the drain time for a handler that goes on', async () => {
    const clock = new HandClock();
    await using stand = await startStand(engine, { clock });
    using client = await stand.client();
    const held = client.call('hold', { key: 'k' });
    await stand.witness.seen('k');
    const closing = stand.server.close();
    clock.advance(5_000);
    await assert.rejects(held, { code: 'connection_lost' });
    await stand.witness.seen('aborted k connection_lost');
    await closing;
    client.close();
    assert.equal(clock.pending, 0, 'no timer is left');
  });

  suiteTest('maxConcurrent: more requests than that are answered "too_busy", and the next ones run again', async () => {
    await using stand = await startStand(engine, { limits: { maxConcurrent: 2 } });
    using client = await stand.client();
    const first = client.call('hold', { key: '1' });
    const second = client.call('hold', { key: '2' });
    await assert.rejects(client.call('add', { a: 1 }), { code: 'too_busy' });
    stand.witness.held.get('1')?.resolve({ key: '1' });
    await first;
    assert.deepEqual(await client.call('add', { a: 1 }), { sum: 2 });
    stand.witness.held.get('2')?.resolve({ key: '2' });
    await second;
  });

  suiteTest('maxConnections: one more is told "too_busy"; a place is free again when one leaves', async () => {
    await using stand = await startStand(engine, { limits: { maxConnections: 2 } });
    const first = await stand.client();
    using second = await stand.client();
    await assert.rejects(stand.client(), { code: 'too_busy' });
    const held = first.call('hold', { key: 'k' });
    await stand.witness.seen('k');
    first.close();
    await Promise.all([assert.rejects(held), stand.witness.seen('closed k'), first.closed]);
    using third = await stand.client();
    assert.deepEqual(await third.call('add', { a: 1 }), { sum: 2 });
    assert.deepEqual(await second.call('add', { a: 1 }), { sum: 2 });
  });

  suiteTest('connect: nobody there, a dead socket, a plain file, an answerless listener, an abort', async () => {
    await using stand = await startStand(engine);
    const to = (path: string, more: object = {}) =>
      engine.connect({ path, contract: suiteContract, role: 'client', build: 'b', clock: machineClock, ...more });
    await assert.rejects(to(join(stand.directory, 'none.sock')), { code: 'connection_refused', message: /there is no socket \(ENOENT\)/ });
    writeFileSync(join(stand.directory, 'file'), '');
    await assert.rejects(to(join(stand.directory, 'file')), { code: 'connection_refused' });
    const mute = join(stand.directory, 'mute.sock');
    const listener = createServer(() => {});
    await new Promise<void>((resolve) => listener.listen(mute, resolve));
    const sockets = new Set<{ destroy(): unknown }>();
    listener.on('connection', (socket) => sockets.add(socket));
    await assert.rejects(to(mute, { limits: { helloMilliseconds: 20 } }), { code: 'deadline_exceeded' });
    await assert.rejects(to(mute, { signal: AbortSignal.abort() }), { code: 'cancelled' });
    const controller = new AbortController();
    const waiting = to(mute, { signal: controller.signal });
    listener.once('connection', () => controller.abort());
    await assert.rejects(waiting, { code: 'cancelled' });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => listener.close(resolve));
  });

  suiteTest('connect: a listener of another uid than expected is not talked to', async () => {
    await using stand = await startStand(engine);
    const options = { path: stand.path, contract: suiteContract, role: 'client', build: 'b', clock: machineClock };
    const uid = process.getuid?.() ?? 0;
    await assert.rejects(engine.connect({ ...options, expectUid: uid + 1 }), {
      code: 'peer_refused',
      data: { path: stand.path, expected: uid + 1, found: uid },
    });
    (await engine.connect({ ...options, expectUid: uid })).close();
  });
}
