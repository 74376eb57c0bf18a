// SPDX-License-Identifier: Apache-2.0
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Contest, Measure } from '../../../build/bench/measure.ts';
import type { EngineName, Work } from './engines.ts';

const MEBIBYTE = 1024 * 1024;
/** Longest that a child may take to start or to answer a round. */
const CHILD_MILLISECONDS = 60_000;

/** The same RPC on node-ipc ("ours") and on node:net ("baseline"). Client and server are processes of their own. */
export const measures: readonly Measure[] = [
  running('small', 31, 'small request and response, p50 (µs)'),
  running('together', 7, '100 small calls at once (1/s)'),
  running('output', 11, 'one-way 600-byte terminal chunks (1/s)'),
  running('connect', 7, 'connect, hello, close, p50 (µs)'),
  starting('process start (ms)', (milliseconds) => milliseconds),
  starting('resident memory at start (MiB)', (_, bytes) => bytes / MEBIBYTE),
];

function running(work: Work, rounds: number, name: string): Measure {
  return { name: label(name), target: '', rounds, prepare: () => contest(work), holds: () => true };
}

function label(name: string): string {
  return `engines: ${name}; node-ipc, node:net`;
}

async function contest(work: Work): Promise<Contest> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-bench-'));
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    const gone = children
      .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      .map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(gone);
    rmSync(directory, { recursive: true });
  };
  const start = async (file: string, args: readonly string[]): Promise<ChildProcess> => {
    const child = fork(join(import.meta.dirname, file), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    children.push(child);
    await message(child);
    return child;
  };
  const side = async (engine: EngineName): Promise<() => Promise<number>> => {
    const path = join(directory, `${engine.replace(':', '-')}.sock`);
    await start('server.main.ts', [engine, path]);
    const client = await start('client.main.ts', [engine, work, path]);
    return async () => {
      const answer = message(client);
      client.send('round');
      return Number(await answer);
    };
  };
  try {
    return { ours: await side('node-ipc'), baseline: await side('node:net'), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function starting(name: string, number: (milliseconds: number, bytes: number) => number): Measure {
  const round = async (engine: EngineName): Promise<number> => {
    const begun = performance.now();
    const child = fork(join(import.meta.dirname, 'start.main.ts'), [engine], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const exited = once(child, 'exit');
    const bytes = Number(await message(child));
    await exited;
    return number(performance.now() - begun, bytes);
  };
  return {
    name: label(name),
    target: '',
    rounds: 15,
    prepare: () => Promise.resolve({ ours: () => round('node-ipc'), baseline: () => round('node:net'), close: () => Promise.resolve() }),
    holds: () => true,
  };
}

async function message(child: ChildProcess): Promise<unknown> {
  using listeners = new DisposableStack();
  const controller = listeners.adopt(new AbortController(), (used) => used.abort());
  const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(CHILD_MILLISECONDS)]);
  const ended = once(child, 'exit', { signal }).then(() => Promise.reject(new Error('a benchmark process ended early')));
  const [value] = (await Promise.race([once(child, 'message', { signal }), ended])) as [unknown];
  return value;
}
