// SPDX-License-Identifier: Apache-2.0
import { connect as connectSocket } from 'node:net';
import { Packr } from 'msgpackr';
import { connect } from '../src/index.ts';
import { machineClock } from '../src/testing-clock.ts';
import { benchContract, sampleOutput, sampleRecord } from './contract.ts';

// One client process of one kind: argv = kind, socket path. Each message from the parent is one round; the answer is its number.
const [kind, path] = process.argv.slice(2) as [string, string];
/** What a small request of ours has on the wire, so that the bare echo carries the same. */
const ECHO_BYTES = 62;
const REQUESTS = 1_000;
const MESSAGES = 20_000;
/** Calls that are under way at once in the pipelined rounds. */
const TOGETHER = 100;

/** Microseconds: the middle of REQUESTS round trips, one after the other. */
async function roundTrips(once: () => Promise<unknown>): Promise<number> {
  const times = new Float64Array(REQUESTS);
  for (let index = 0; index < REQUESTS; index += 1) {
    const start = process.hrtime.bigint();
    await once();
    times[index] = Number(process.hrtime.bigint() - start) / 1_000;
  }
  return times.sort()[REQUESTS >> 1] ?? Number.NaN;
}

/** A bare echo: write `together` messages, wait for all of their bytes. */
async function netRounds(together: number): Promise<() => Promise<number>> {
  const socket = connectSocket(path);
  await new Promise((resolve) => socket.once('connect', resolve));
  const payload = Buffer.alloc(ECHO_BYTES, 1);
  let wake: () => void = () => {};
  let missing = 0;
  socket.on('data', (chunk) => {
    missing -= chunk.length;
    if (missing === 0) wake();
  });
  const once = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      missing = ECHO_BYTES * together;
      for (let index = 0; index < together; index += 1) socket.write(payload);
    });
  if (together === 1) return () => roundTrips(once);
  const batches = async (): Promise<void> => {
    for (let index = 0; index < MESSAGES; index += together) await once();
  };
  return () => rate(MESSAGES, batches);
}

/** Messages a second of what `run` moves. */
async function rate(messages: number, run: () => Promise<void> | void): Promise<number> {
  const start = performance.now();
  await run();
  return (messages / (performance.now() - start)) * 1_000;
}

function msgpackrRounds(sample: object): () => Promise<number> {
  const packr = new Packr({ useRecords: false, mapsAsObjects: true });
  let guard = 0;
  const loop = (): void => {
    for (let index = 0; index < MESSAGES; index += 1) guard += Object.keys(packr.unpack(packr.pack(sample)) as object).length;
    if (guard < 0) throw new Error('unreachable');
  };
  return () => rate(MESSAGES, loop);
}

async function ipcRounds(): Promise<() => Promise<number>> {
  const client = await connect({ path, contract: benchContract, role: 'bench', build: 'bench', clock: machineClock });
  if (kind === 'ipc-small') {
    let number = 0;
    return () => roundTrips(() => client.call('small', { number: (number = (number + 1) & 0xffff) }));
  }
  if (kind === 'ipc-pipelined') {
    const batch = async (): Promise<void> => {
      for (let index = 0; index < MESSAGES; index += TOGETHER) {
        await Promise.all(Array.from({ length: TOGETHER }, (_, offset) => client.call('small', { number: index + offset })));
      }
    };
    return () => rate(MESSAGES, batch);
  }
  const method = kind === 'ipc-records' ? 'records' : 'output';
  const drain = async (): Promise<void> => {
    let seen = 0;
    for await (const _ of client.stream(method, { count: MESSAGES })) seen += 1;
    if (seen !== MESSAGES) throw new Error(`expected ${MESSAGES} chunks, got ${seen}`);
  };
  return () => rate(MESSAGES, drain);
}

function roundsOf(side: string): Promise<() => Promise<number>> | (() => Promise<number>) {
  if (side === 'net') return netRounds(1);
  if (side === 'net-pipelined') return netRounds(TOGETHER);
  if (side === 'msgpackr-records') return msgpackrRounds(sampleRecord);
  if (side === 'msgpackr-output') return msgpackrRounds(sampleOutput);
  return ipcRounds();
}

const rounds = await roundsOf(kind);
process.on('message', () => void rounds().then((number) => process.send?.(number)));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
