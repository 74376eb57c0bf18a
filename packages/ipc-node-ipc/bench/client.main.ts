// SPDX-License-Identifier: Apache-2.0
import { systemClock } from '@bureau/process';
import { contract, loadEngine, type EngineName, type Work } from './engines.ts';

// A client: argv = engine, work, socket path. Each message from the parent is one round; the answer is its number.
const [engine, work, path] = process.argv.slice(2) as [EngineName, Work, string];
const REQUESTS = 1_000;
const CONNECTS = 200;
const MESSAGES = 20_000;
/** Calls under way at once. */
const TOGETHER = 100;

const { connect } = await loadEngine(engine);
const open = () => connect({ path, contract, role: 'bench', build: 'bench', clock: systemClock });
const client = await open();

/** Microseconds: the middle of many. */
async function middle(count: number, once: () => Promise<unknown>): Promise<number> {
  const times = new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    const start = process.hrtime.bigint();
    await once();
    times[index] = Number(process.hrtime.bigint() - start) / 1_000;
  }
  return times.sort()[count >> 1] ?? Number.NaN;
}

/** Messages a second. */
async function rate(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (MESSAGES / (performance.now() - start)) * 1_000;
}

async function together(): Promise<void> {
  for (let index = 0; index < MESSAGES; index += TOGETHER) {
    await Promise.all(Array.from({ length: TOGETHER }, (_, offset) => client.call('small', { number: index + offset })));
  }
}

async function output(): Promise<void> {
  let seen = 0;
  for await (const _ of client.stream('output', { count: MESSAGES })) seen += 1;
  if (seen !== MESSAGES) throw new Error(`expected ${MESSAGES} chunks, got ${seen}`);
}

async function connectOnce(): Promise<void> {
  const one = await open();
  one.close();
  await one.closed;
}

const rounds: Record<Work, () => Promise<number>> = {
  small: () => middle(REQUESTS, () => client.call('small', { number: 1 })),
  together: () => rate(together),
  output: () => rate(output),
  connect: () => middle(CONNECTS, connectOnce),
};
process.on('message', () => void rounds[work]().then((number) => process.send?.(number)));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
