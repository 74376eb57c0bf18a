// SPDX-License-Identifier: Apache-2.0
import { systemClock } from '@bureau/process';
import { contract, loadEngine, sample, type EngineName } from './engines.ts';

// A server: argv = engine, socket path. Says "ready" when it listens; ends with its parent.
const [engine, path] = process.argv.slice(2) as [EngineName, string];

async function* repeat(count: number): AsyncGenerator<Buffer, Record<string, never>, undefined> {
  for (let index = 0; index < count; index += 1) yield sample;
  return {};
}

const { serve } = await loadEngine(engine);
await serve({
  path,
  contract,
  handlers: { small: ({ number }) => ({ pid: number }), output: ({ count }) => repeat(count) },
  role: 'bench',
  build: 'bench',
  allowUids: [process.getuid?.() ?? 0],
  clock: systemClock,
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
