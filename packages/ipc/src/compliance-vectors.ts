// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStand, suiteContract, suiteTest, type IpcEngine } from './compliance-stand.ts';
import { machineClock } from './testing-clock.ts';

/** Client → server, one frame each: hello; call add {a: 4, b: -1} with a deadline of 30 s; stream count {to: 1} with a credit of 64. */
const CLIENT_FRAMES = [
  '0000003584a474797065a568656c6c6fa870726f746f636f6c01a56275696c64ac636c69656e742d6275696c64a4726f6c65a6636c69656e74',
  '0000003685a474797065a772657175657374a2696401a66d6574686f64a3616464a5696e70757482a16104a162ffa8646561646c696e65cd7530',
  '0000003285a474797065a772657175657374a2696402a66d6574686f64a5636f756e74a5696e70757481a2746f01a663726564697440',
];
/** Server → client: hello; the sum; the chunk of the stream and its end. */
const SERVER_FRAMES = [
  '0000003584a474797065a568656c6c6fa870726f746f636f6c01a56275696c64ac7365727665722d6275696c64a4726f6c65a6736572766572',
  '0000002083a474797065a8726573706f6e7365a2696401a66f757470757481a373756d03',
  '0000001783a474797065a56368756e6ba2696402a56368756e6b00',
  '0000002183a474797065a8726573706f6e7365a2696402a66f757470757481a46c61737401',
];

/** The bytes of an exchange: whoever speaks these speaks protocol 1, in whatever language. */
export function vectorCompliance(engine: IpcEngine): void {
  suiteTest('a server answers the bytes of protocol 1 with the bytes of protocol 1', async () => {
    await using stand = await startStand(engine);
    const socket = connectSocket(stand.path);
    const received = recorder(socket);
    socket.write(Buffer.from(CLIENT_FRAMES.join(''), 'hex'));
    assert.equal(await received(SERVER_FRAMES.join('').length), SERVER_FRAMES.join(''));
    socket.destroy();
  });

  suiteTest('a client says, and understands, the bytes of protocol 1', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bureau-ipc-'));
    const path = join(directory, 'raw.sock');
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(path, resolve));
    const accepted = new Promise<Socket>((resolve) => listener.once('connection', resolve));
    const connecting = engine.connect({ path, contract: suiteContract, role: 'client', build: 'client-build', clock: machineClock });
    const socket = await accepted;
    const received = recorder(socket);
    socket.write(Buffer.from(SERVER_FRAMES.join(''), 'hex').subarray(0, (SERVER_FRAMES[0] ?? '').length / 2));
    using client = await connecting;
    const sum = client.call('add', { a: 4, b: -1 });
    const stream = client.stream('count', { to: 1 });
    assert.equal(await received(CLIENT_FRAMES.join('').length), CLIENT_FRAMES.join(''));
    socket.write(Buffer.from(SERVER_FRAMES.slice(1).join(''), 'hex'));
    assert.deepEqual(await sum, { sum: 3 });
    for await (const chunk of stream) assert.equal(chunk, 0);
    assert.deepEqual(await stream.result, { last: 1 });
    socket.destroy();
    await new Promise((resolve) => listener.close(resolve));
    rmSync(directory, { recursive: true });
  });
}

/** Resolves with what arrived, in hexadecimal, when it has the wanted number of digits. */
function recorder(socket: Socket): (digits: number) => Promise<string> {
  let text = '';
  let wake: () => void = () => {};
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    text += chunk.toString('hex');
    wake();
  });
  return async (digits) => {
    while (text.length < digits) await new Promise<void>((resolve) => (wake = resolve));
    return text;
  };
}
