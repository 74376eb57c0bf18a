// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IpcClient } from './client.ts';
import { suiteContract, suiteTest, type IpcEngine, type SuiteContract } from './compliance-stand.ts';
import { HandClock, machineClock } from './testing-clock.ts';
import { rawBytesFrame, rawFrame, rawHello, rawServer, type RawPeer } from './testing-raw.ts';

/** What a hostile or dying server may do to a client: everything that waits gets a typed error. */
export function clientHostileCompliance(engine: IpcEngine): void {
  suiteTest('connect: another protocol is a typed error on both sides', async () => {
    const told = Promise.withResolvers<string>();
    const onPeer = (peer: RawPeer): void => {
      peer.send({ ...rawHello, protocol: 9 });
      void peer.next('fault').then(({ code }) => told.resolve(code ?? ''), told.reject);
    };
    await withServer(onPeer, async (path) => {
      await assert.rejects(connectTo(path), { code: 'protocol_mismatch', data: { expected: 1, found: 9 } });
      assert.equal(await told.promise, 'protocol_mismatch');
    });
  });

  suiteTest('connect: a refusal instead of hello keeps its code', async () => {
    await withServer(
      (peer) => {
        peer.send({ type: 'fault', code: 'peer_refused', message: 'Go away.', data: { uid: 5 } });
        peer.socket.end();
      },
      (path) => assert.rejects(connectTo(path), { code: 'peer_refused', message: 'Go away.', data: { uid: 5 } }),
    );
  });

  suiteTest('connect: a server that closes, or says garbage, before hello', async () => {
    await withServer(
      (peer) => void peer.socket.end(),
      (path) => assert.rejects(connectTo(path), { code: 'connection_lost' }),
    );
    await withServer(
      (peer) => void peer.socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
      (path) => assert.rejects(connectTo(path), { code: 'frame_too_large' }),
    );
    await withServer(
      (peer) => peer.send({ type: 'response', id: 1, output: {} }),
      (path) => assert.rejects(connectTo(path), { code: 'malformed_frame' }),
    );
  });

  const answers: readonly (readonly [string, Buffer])[] = [
    ['garbage', rawBytesFrame(Buffer.from('c1', 'hex'))],
    ['a claim of 4 GiB', rawBytesFrame(Buffer.alloc(1), 0xffff_ffff)],
    ['an answer to a request that was never made', rawFrame({ type: 'response', id: 50, output: {} })],
    ['a chunk for a call', rawFrame({ type: 'chunk', id: 1, chunk: 1 })],
    ['a second hello', rawFrame(rawHello)],
    ['a request', rawFrame({ type: 'request', id: 1, method: 'add', input: {} })],
    ['an error without a code', rawFrame({ type: 'error', id: 1, message: 'x', data: {} })],
  ];
  for (const [name, frame] of answers) {
    suiteTest(`call: ${name} ends the connection; whoever waits hears of it`, async () => {
      await withServer(
        (peer) => {
          peer.send(rawHello);
          void peer.next('request').then(
            () => peer.socket.write(frame),
            () => {},
          );
        },
        async (path) => {
          const client = await connectTo(path);
          const call = client.call('add', { a: 1 });
          const other = client.stream('watch', {});
          await assert.rejects(call, { code: 'connection_lost' });
          await assert.rejects(other.result, { code: 'connection_lost' });
          await client.closed;
        },
      );
    });
  }

  suiteTest('stream: more chunks than were granted end the connection', async () => {
    await withServer(
      (peer) => {
        peer.send(rawHello);
        void peer.next('request').then(({ credit, id }) => {
          for (let index = 0; index <= Number(credit); index += 1) peer.send({ type: 'chunk', id, chunk: index });
        });
      },
      async (path) => {
        const client = await connectTo(path);
        await assert.rejects(client.stream('count', { to: 5 }).result, { code: 'connection_lost', message: /more chunks than it granted/ });
      },
    );
  });

  suiteTest('call: a late answer to a cancelled request is ignored', async () => {
    await withServer(
      (peer) => {
        peer.send(rawHello);
        void peer.next('cancel').then(({ id }) => {
          peer.send({ type: 'response', id, output: { sum: 9 } });
          peer.send({ type: 'chunk', id, chunk: 9 });
          void peer
            .next('request', (message) => message.id !== id)
            .then((next) => peer.send({ type: 'response', id: next.id, output: { sum: 2 } }));
        });
      },
      async (path) => {
        using client = await connectTo(path);
        const controller = new AbortController();
        const first = client.call('add', { a: 1 }, { signal: controller.signal });
        controller.abort();
        await assert.rejects(first, { code: 'cancelled' });
        assert.deepEqual(await client.call('add', { a: 1 }), { sum: 2 });
      },
    );
  });

  suiteTest('call: a server that dies, or falls silent, gives "connection_lost"', async () => {
    await withServer(
      (peer) => {
        peer.send(rawHello);
        void peer.next('request').then(() => peer.socket.destroy());
      },
      async (path) => {
        const client = await connectTo(path);
        await assert.rejects(client.call('add', { a: 1 }), { code: 'connection_lost' });
        await client.closed;
      },
    );
    const clock = new HandClock();
    await withServer(
      (peer) => peer.send(rawHello),
      async (path) => {
        const client = await connectTo(path, clock);
        const waiting = client.call('add', { a: 1 }, { deadlineMilliseconds: 3_600_000 });
        for (let beat = 0; beat < 4; beat += 1) clock.advance(10_000);
        await assert.rejects(waiting, { code: 'connection_lost', message: /silent for 30000 ms/ });
        await client.closed;
        assert.equal(clock.pending, 0);
      },
    );
  });

  suiteTest('call: a server that does not read makes the client refuse, not grow', async () => {
    await withServer(
      (peer) => {
        peer.send(rawHello);
        peer.socket.pause();
      },
      async (path) => {
        using client = await connectTo(path);
        const data = Buffer.alloc(900_000);
        const codes = await Promise.all(
          Array.from({ length: 20 }, (_, index) => {
            const waiting = client.call('echoBytes', { data }).catch((error: Error & { code: string }) => error.code);
            if (index === 19) client.close();
            return waiting;
          }),
        );
        assert.ok(codes.includes('too_busy'), codes.join());
      },
    );
  });

  function connectTo(path: string, clock = machineClock as HandClock | typeof machineClock): Promise<IpcClient<SuiteContract>> {
    return engine.connect({ path, contract: suiteContract, role: 'client', build: 'b', clock });
  }
}

async function withServer(onPeer: (peer: RawPeer) => void, body: (path: string) => Promise<unknown>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-ipc-'));
  try {
    await using _server = await rawServer(join(directory, 'raw.sock'), onPeer);
    await body(join(directory, 'raw.sock'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
