// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net';
import { median } from '../../../build/bench/measure.ts';

// One load generator; the same bytes for every contestant. Each message is one round, `{kind, to, path}`; its answer is its number.
interface Round {
  readonly kind: 'throughput' | 'p50' | 'p99' | 'events' | 'download' | 'upload' | 'hold' | 'release';
  /** A port on this machine or a socket's path. */
  readonly to: number | string;
  readonly prefix: string;
  readonly connections?: number;
}

const ROUND_MILLISECONDS = 2_000;
const REQUESTS = 3_000;
const LARGE = 1024 ** 3;
const held: Socket[] = [];

async function open(to: number | string): Promise<Socket> {
  for (;;) {
    try {
      return await openOnce(to);
    } catch (error) {
      // The queue of connections to accept is full: the same for all.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function openOnce(to: number | string): Promise<Socket> {
  const socket = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to);
  return new Promise((resolve, reject) => {
    socket.once('error', reject).once('connect', () => resolve(socket.setNoDelay(true)));
  });
}

function request(round: Round, path: string, more = ''): Buffer {
  return Buffer.from(
    `${more === '' ? 'GET' : 'POST'} ${round.prefix}${path} HTTP/1.1\r\nhost: bench\r\nuser-agent: bench/1\r\naccept: */*\r\n${more}\r\n`,
  );
}

/** Sends one request after the other on a socket; `each` is told when an answer is complete, and says whether to go on. */
function repeat(socket: Socket, bytes: Buffer, each: () => boolean): Promise<void> {
  let size = 0;
  let got = 0;
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new Error('a connection was closed during a round')));
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length;
      if (size === 0) {
        const text = chunk.toString('latin1');
        if (!text.startsWith('HTTP/1.1 200')) return reject(new Error(`not answered with 200: ${text.slice(0, 400)}`));
        size = text.indexOf('\r\n\r\n') + 4 + Number(/content-length: *(\d+)/i.exec(text)?.[1]);
      }
      if (got < size) return;
      got -= size;
      if (each()) socket.write(bytes);
      else resolve(socket.removeAllListeners('close').destroy() as never);
    });
    socket.write(bytes);
  });
}

async function throughput(round: Round): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: round.connections ?? 16 }, () => open(round.to)));
  const start = performance.now();
  let answers = 0;
  const each = (): boolean => {
    answers += 1;
    return performance.now() - start < ROUND_MILLISECONDS;
  };
  await Promise.all(sockets.map((socket) => repeat(socket, request(round, '/small'), each)));
  return answers / ((performance.now() - start) / 1_000);
}

/** Microseconds. */
async function latency(round: Round, quantile: number): Promise<number> {
  const times: number[] = [];
  let start = 0n;
  const socket = await open(round.to);
  start = process.hrtime.bigint();
  await repeat(socket, request(round, '/small'), () => {
    const now = process.hrtime.bigint();
    times.push(Number(now - start) / 1_000);
    start = now;
    return times.length < REQUESTS;
  });
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * quantile)] ?? Number.NaN;
}

/** Microseconds from the upstream's write to our read, in the middle. (That none is held back or joined, a test says: this process may read late.) */
async function events(round: Round): Promise<number> {
  const socket = await open(round.to);
  const times: number[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.once('close', () => reject(new Error('the stream was cut')));
    socket.on('data', (chunk: Buffer) => {
      const now = process.hrtime.bigint();
      const text = chunk.toString('latin1');
      for (const match of text.matchAll(/data: (\d+)\n\n/g)) times.push(Number(now - BigInt(match[1] as string)) / 1_000);
      if (text.endsWith('0\r\n\r\n')) resolve();
    });
    socket.write(request(round, '/events'));
  });
  socket.removeAllListeners('close').destroy();
  return median(times);
}

/** MB a second. */
async function download(round: Round): Promise<number> {
  const socket = await open(round.to);
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    let got = 0;
    socket.once('close', () => reject(new Error('the body was cut')));
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length;
      if (got >= LARGE) resolve();
    });
    socket.write(request(round, '/down'));
  });
  socket.removeAllListeners('close').destroy();
  return LARGE / 1e3 / (performance.now() - start);
}

async function upload(round: Round): Promise<number> {
  const socket = await open(round.to);
  const piece = Buffer.alloc(256 * 1024, 'y');
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    let left = LARGE;
    socket.once('close', () => reject(new Error('the upload was cut')));
    socket.once('data', (chunk: Buffer) =>
      chunk.toString('latin1').startsWith('HTTP/1.1 200') ? resolve() : reject(new Error(String(chunk))),
    );
    const push = (): void => {
      while (left > 0) {
        left -= piece.length;
        if (!socket.write(piece)) return void socket.once('drain', push);
      }
    };
    socket.write(request(round, '/up', `content-length: ${LARGE}\r\n`));
    push();
  });
  socket.removeAllListeners('close').destroy();
  return LARGE / 1e3 / (performance.now() - start);
}

/** Opens connections on which nothing is sent. */
async function hold(round: Round): Promise<number> {
  for (let index = 0; index < (round.connections ?? 0); index += 1) held.push((await open(round.to)).on('error', () => undefined));
  return held.filter((socket) => !socket.destroyed).length;
}

function run(round: Round): Promise<number> | number {
  switch (round.kind) {
    case 'throughput':
      return throughput(round);
    case 'p50':
      return latency(round, 0.5);
    case 'p99':
      return latency(round, 0.99);
    case 'events':
      return events(round);
    case 'download':
      return download(round);
    case 'upload':
      return upload(round);
    case 'hold':
      return hold(round);
    case 'release':
      return held.splice(0).map((socket) => socket.destroy()).length;
  }
}

process.on('message', (round: Round) => {
  Promise.resolve(run(round)).then(
    (number) => process.send?.(number),
    (error: unknown) => {
      process.stderr.write(`load: ${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
