// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:net';
import { serve } from '../src/index.ts';
import { machineClock } from '../src/testing-clock.ts';
import { benchContract, sampleOutput, sampleRecord } from './contract.ts';

// One server process of one kind: argv = kind, socket path. Says "ready" when it listens; ends with its parent.
const [kind, path] = process.argv.slice(2) as [string, string];

async function* repeat<Chunk>(chunk: Chunk, count: number): AsyncGenerator<Chunk, Record<string, never>, undefined> {
  for (let index = 0; index < count; index += 1) yield chunk;
  return {};
}

if (kind === 'net') {
  createServer((socket) => {
    socket.on('data', (chunk) => void socket.write(chunk));
    socket.on('error', () => {});
  }).listen(path, () => process.send?.('ready'));
} else {
  await serve({
    path,
    contract: benchContract,
    role: 'bench',
    build: 'bench',
    allowUids: (peer) => peer.uid === process.getuid?.(),
    clock: machineClock,
    handlers: {
      small: ({ number }) => ({ pid: number }),
      records: ({ count }) => repeat(sampleRecord, count),
      output: ({ count }) => repeat(sampleOutput, count),
    },
  });
  process.send?.('ready');
}
process.on('disconnect', () => process.exit(0));
