// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { startStand, suiteTest, type IpcEngine, type Stand } from './compliance-stand.ts';
import { HandClock } from './testing-clock.ts';
import { RawPeer, rawBytesFrame, rawFrame, rawHello } from './testing-raw.ts';

/** Bytes that claim more than they hold, and the fault that answers them. */
const BAD_FRAMES: readonly (readonly [name: string, frame: Buffer, code: string])[] = [
  ['length 0', rawBytesFrame(Buffer.alloc(0)), 'malformed_frame'],
  ['a claim of 4 GiB', rawBytesFrame(Buffer.from([0xc0]), 0xffff_ffff), 'frame_too_large'],
  ['a claim one above the limit', rawBytesFrame(Buffer.from([0xc0]), 1024 * 1024 + 1), 'frame_too_large'],
  ['10,000 nested arrays', rawBytesFrame(Buffer.concat([Buffer.alloc(10_000, 0x91), Buffer.from([0xc0])])), 'malformed_frame'],
  [
    '10,000 nested maps',
    rawBytesFrame(Buffer.concat([Buffer.from('81a161'.repeat(10_000), 'hex'), Buffer.from([0xc0])])),
    'malformed_frame',
  ],
  ['an array of 4 billion', rawBytesFrame(Buffer.from('ddffffffff', 'hex')), 'malformed_frame'],
  ['a map of 4 billion', rawBytesFrame(Buffer.from('dfffffffff', 'hex')), 'malformed_frame'],
  ['a text of 4 GiB', rawBytesFrame(Buffer.from('dbffffffff41', 'hex')), 'malformed_frame'],
  ['bytes of 4 GiB', rawBytesFrame(Buffer.from('c6ffffffff41', 'hex')), 'malformed_frame'],
  ['200,000 empty maps', rawBytesFrame(Buffer.concat([Buffer.from('dd00030d40', 'hex'), Buffer.alloc(200_000, 0x80)])), 'malformed_frame'],
  ['a truncated value', rawBytesFrame(Buffer.from('82a474797065', 'hex')), 'malformed_frame'],
  ['trailing bytes', rawBytesFrame(Buffer.from('c0c0', 'hex')), 'malformed_frame'],
  [
    'the key __proto__',
    rawBytesFrame(Buffer.concat([Buffer.from('81a9', 'hex'), Buffer.from('__proto__'), Buffer.from([0x80])])),
    'malformed_frame',
  ],
  [
    'an overlong __proto__',
    rawBytesFrame(Buffer.concat([Buffer.from('81aac19f', 'hex'), Buffer.from('_proto__'), Buffer.from([0x80])])),
    'malformed_frame',
  ],
  ['the key constructor', rawFrame({ type: 'request', id: 1, method: 'any', input: { constructor: 1 } }), 'malformed_frame'],
  ['the key prototype', rawFrame({ type: 'request', id: 1, method: 'any', input: { prototype: 1 } }), 'malformed_frame'],
  ['a key twice', rawBytesFrame(Buffer.from('82a16101a16102', 'hex')), 'malformed_frame'],
  ['a number as key', rawBytesFrame(Buffer.from('8101c0', 'hex')), 'malformed_frame'],
  ['a map as key', rawBytesFrame(Buffer.from('8180c0', 'hex')), 'malformed_frame'],
  ['an extension type', rawBytesFrame(Buffer.from('d40100', 'hex')), 'malformed_frame'],
  ['a timestamp', rawBytesFrame(Buffer.from('d6ff00000000', 'hex')), 'malformed_frame'],
  ['a record definition of msgpackr', rawBytesFrame(Buffer.from('d4724091a1610a', 'hex')), 'malformed_frame'],
  ['the byte that msgpack never uses', rawBytesFrame(Buffer.from('c1', 'hex')), 'malformed_frame'],
  ['no map', rawFrame(['request', 1]), 'malformed_frame'],
  ['nil', rawFrame(null), 'malformed_frame'],
  ['an unknown type', rawFrame({ type: 'explode', id: 1 }), 'malformed_frame'],
  ['no type', rawFrame({ id: 1 }), 'malformed_frame'],
  ['id as text', rawFrame({ type: 'request', id: '1', method: 'add', input: {} }), 'malformed_frame'],
  ['id 0', rawFrame({ type: 'request', id: 0, method: 'add', input: {} }), 'malformed_frame'],
  ['id NaN', rawFrame({ type: 'request', id: Number.NaN, method: 'add', input: {} }), 'malformed_frame'],
  ['id beyond the safe integers', rawFrame({ type: 'request', id: 2 ** 60, method: 'add', input: {} }), 'malformed_frame'],
  ['no input', rawFrame({ type: 'request', id: 1, method: 'add' }), 'malformed_frame'],
  ['a field too many', rawFrame({ type: 'request', id: 1, method: 'add', input: {}, uid: 0 }), 'malformed_frame'],
  ['a deadline below 1', rawFrame({ type: 'request', id: 1, method: 'add', input: {}, deadline: -5 }), 'malformed_frame'],
  ['a second hello', rawFrame(rawHello), 'malformed_frame'],
  ['a response to a server', rawFrame({ type: 'response', id: 1, output: {} }), 'malformed_frame'],
  ['a chunk to a server', rawFrame({ type: 'chunk', id: 1, chunk: {} }), 'malformed_frame'],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'frame_too_large'],
];

/** What a hostile peer may try; in each case: a typed fault or a closed connection, and nobody else is harmed. */
export function hostileCompliance(engine: IpcEngine): void {
  for (const [name, frame, code] of BAD_FRAMES) {
    suiteTest(`a server answers ${name} with "${code}" and closes`, async () => {
      await using stand = await startStand(engine);
      using peer = await RawPeer.connect(stand.path, { hello: true });
      peer.socket.write(frame);
      assert.equal((await peer.next('fault')).code, code);
      await peer.closed;
      await assertAlive(stand);
    });
  }

  suiteTest('a server takes no frame before hello but hello, and none of another protocol', async () => {
    await using stand = await startStand(engine);
    using early = await RawPeer.connect(stand.path, { hello: false });
    early.send({ type: 'request', id: 1, method: 'add', input: { a: 1 } });
    assert.equal((await early.next('fault')).code, 'malformed_frame');
    await early.closed;
    using newer = await RawPeer.connect(stand.path, { hello: false });
    newer.send({ ...rawHello, protocol: 2, novelty: ['of', 'version', 2] });
    const fault = await newer.next('fault');
    assert.equal(fault.code, 'protocol_mismatch');
    assert.deepEqual(fault['data'], { expected: 1, found: 2 });
    await newer.closed;
    await assertAlive(stand);
  });

  suiteTest('a server gives a peer without hello, or with half a frame, its time and then closes', async () => {
    const clock = new HandClock();
    await using stand = await startStand(engine, { clock });
    using mute = await RawPeer.connect(stand.path, { hello: false });
    await mute.next('hello');
    clock.advance(5_000);
    assert.match((await mute.next('fault')).message ?? '', /no hello within 5000 ms/);
    await mute.closed;
    using slow = await RawPeer.connect(stand.path, { hello: true });
    const request = rawFrame({ type: 'request', id: 1, method: 'echoText', input: { text: 'x'.repeat(100) } });
    for (let beat = 0; beat < 6 && !slow.socket.destroyed; beat += 1) {
      // A byte now and then keeps the heartbeat content, but not the frame.
      await new Promise((resolve) => slow.socket.write(request.subarray(beat, beat + 1), resolve));
      await settled(stand);
      clock.advance(10_000);
      if (slow.messages.some(({ type }) => type === 'fault')) break;
    }
    assert.match((await slow.next('fault')).message ?? '', /did not arrive in time/);
    await slow.closed;
  });

  suiteTest('a request id in use is refused, one that was answered may come again', async () => {
    await using stand = await startStand(engine);
    using peer = await RawPeer.connect(stand.path, { hello: true });
    for (let round = 0; round < 2; round += 1) {
      peer.send({ type: 'request', id: 7, method: 'add', input: { a: round } });
      await peer.next('response', ({ output }) => (output as { sum: number }).sum === round + 1);
    }
    peer.send({ type: 'request', id: 7, method: 'hold', input: { key: 'k' } });
    peer.send({ type: 'request', id: 7, method: 'add', input: { a: 1 } });
    assert.match((await peer.next('fault')).message ?? '', /id 7 is in use/);
    await peer.closed;
    await stand.witness.seen('aborted k connection_lost');
  });

  suiteTest('cancel and credit for requests that are not there are ignored', async () => {
    await using stand = await startStand(engine);
    using peer = await RawPeer.connect(stand.path, { hello: true });
    peer.send({ type: 'cancel', id: 99 });
    peer.send({ type: 'credit', id: 99, count: 5 });
    peer.send({ type: 'pong' });
    await peer.settled();
    peer.send({ type: 'request', id: 1, method: 'fly', input: {} });
    assert.equal((await peer.next('error')).code, 'unknown_method');
    peer.send({ type: 'request', id: 2, method: 'add', input: { a: 'x' } });
    assert.equal((await peer.next('error', ({ id }) => id === 2)).code, 'invalid_input');
  });

  suiteTest('a claim of 4 GiB, and a hundred of the whole limit, cost no memory', async () => {
    await using stand = await startStand(engine);
    const before = process.memoryUsage().rss;
    const peers: RawPeer[] = [];
    for (let index = 0; index < 100; index += 1) {
      using peer = await RawPeer.connect(stand.path, { hello: true });
      peer.socket.write(rawBytesFrame(Buffer.alloc(10, 0xc0), index === 0 ? 0xffff_ffff : 1024 * 1024));
      peers.push(peer);
    }
    await peers[0]?.closed;
    await assertAlive(stand);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 40 * 1024 * 1024, `100 claims of 100 MiB and 4 GiB grew the process by ${grown} bytes`);
    for (const peer of peers) peer.socket.destroy();
  });

  suiteTest('a peer that asks for much and never reads is cut off; others are served', async () => {
    await using stand = await startStand(engine);
    using peer = await RawPeer.connect(stand.path, { hello: true });
    peer.send({ type: 'request', id: 1_000, method: 'hold', input: { key: 'k' }, deadline: 3_600_000 });
    await stand.witness.seen('k');
    peer.socket.pause();
    peer.socket.write(
      Buffer.concat(
        Array.from({ length: 100 }, (_, index) => rawFrame({ type: 'request', id: index + 1, method: 'blob', input: { size: 500_000 } })),
      ),
    );
    await stand.witness.seen('aborted k connection_lost');
    await assertAlive(stand);
  });

  suiteTest('a peer that sends for ever and never reads is no longer read, and then lost', async () => {
    const clock = new HandClock();
    await using stand = await startStand(engine, { clock, limits: { backlogBytes: 100_000 } });
    using peer = await RawPeer.connect(stand.path, { hello: true });
    peer.send({ type: 'request', id: 1_000, method: 'hold', input: { key: 'k' }, deadline: 3_600_000 });
    await stand.witness.seen('k');
    peer.socket.pause();
    const request = (id: number): Buffer => rawFrame({ type: 'request', id, method: 'blob', input: { size: 200_000 } });
    let sent = 0;
    // Until the kernel's buffers towards the server are full: it has stopped reading.
    while (peer.socket.writableLength < 1024 * 1024 && sent < 1_000_000) {
      sent += 1;
      peer.socket.write(sent <= 3 ? request(sent) : rawFrame({ type: 'credit', id: 1, count: 1 }));
      if (sent % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(peer.socket.writableLength >= 1024 * 1024, 'the server stopped reading');
    for (let beat = 0; beat < 5; beat += 1) clock.advance(10_000);
    await stand.witness.seen('aborted k connection_lost');
  });

  suiteTest('a silent peer gets a ping, then a warning in the log, then is lost', async () => {
    const clock = new HandClock();
    await using stand = await startStand(engine, { clock });
    using peer = await RawPeer.connect(stand.path, { hello: true });
    clock.advance(10_000);
    assert.ok(!peer.messages.some(({ type }) => type === 'ping'), 'it was heard in the first beat');
    clock.advance(10_000);
    await peer.next('ping');
    peer.send({ type: 'pong' });
    await peer.settled();
    clock.advance(10_000);
    assert.equal(stand.witness.logged.length, 0);
    clock.advance(20_000);
    assert.deepEqual(
      stand.witness.logged.map(({ level, message }) => `${level} ${message}`),
      ['warn ipc: the peer does not answer a ping'],
    );
    clock.advance(10_000);
    await peer.closed;
  });

  suiteTest('a peer that closes its half ends its requests', async () => {
    await using stand = await startStand(engine);
    using peer = await RawPeer.connect(stand.path, { hello: true });
    peer.send({ type: 'request', id: 1, method: 'hold', input: { key: 'k' } });
    peer.socket.end();
    await stand.witness.seen('aborted k connection_lost');
    await peer.closed;
  });

  suiteTest('frames that arrive byte by byte are whole', async () => {
    await using stand = await startStand(engine);
    using peer = await RawPeer.connect(stand.path, { hello: false });
    const bytes = Buffer.concat([rawFrame(rawHello), rawFrame({ type: 'request', id: 1, method: 'add', input: { a: 4 } })]);
    for (const byte of bytes) await new Promise((resolve) => peer.socket.write(Buffer.of(byte), () => setImmediate(resolve)));
    assert.deepEqual((await peer.next('response'))['output'], { sum: 5 });
  });

  suiteTest('garbage of every kind never ends the server', async () => {
    await using stand = await startStand(engine);
    for (let round = 0; round < 100; round += 1) {
      using peer = await RawPeer.connect(stand.path, { hello: round % 2 === 0 });
      peer.socket.write(round % 3 === 0 ? randomBytes(1 + round * 37) : rawBytesFrame(randomBytes(1 + round)));
      if (round % 5 === 0) peer.socket.end();
      else peer.socket.destroy();
      if (round % 5 === 0) await peer.closed;
    }
    await assertAlive(stand);
  });
}

/** An honest client is served. */
async function assertAlive(stand: Stand): Promise<void> {
  const client = await stand.client();
  assert.deepEqual(await client.call('add', { a: 1, b: 1 }), { sum: 2 });
  client.close();
  await client.closed;
}

/** When whole connections have come and gone, what another peer wrote before was read too. */
async function settled(stand: Stand): Promise<void> {
  for (let round = 0; round < 2; round += 1) await assertAlive(stand);
}
