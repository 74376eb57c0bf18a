// SPDX-License-Identifier: Apache-2.0
/** `script/test simulate [--seeds N] [--from S] [--json]`: lives N histories of a simulated machine, as many at a time as there are cores. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runSeedsInThread } from '../packages/simulate/src/index.ts';

/** What `script/test` lives by itself. */
const SEEDS = 5_000;
/** Histories a second that we want to be able to live; told, not demanded. */
const TARGET = 200;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    console.error('expected: script/test simulate [--seeds N] [--from S] [--json], N and S whole numbers from 1 on');
    return 2;
  }
  const { seeds, from, json } = options;
  const began = performance.now();
  const workers = Math.min(availableParallelism(), seeds);
  const runs = await Promise.all(
    Array.from({ length: workers }, (_, index) => {
      const first = from + Math.floor((seeds * index) / workers);
      return runSeedsInThread(first, from + Math.floor((seeds * (index + 1)) / workers) - first);
    }),
  );
  const seconds = (performance.now() - began) / 1_000;
  const failed = runs.flatMap((run) => run.failed);
  const perSecond = Math.round(seeds / seconds);
  const days = Math.round(runs.reduce((sum, run) => sum + run.lived, 0) / 86_400_000);
  if (json) {
    console.log(JSON.stringify({ seeds, from, failed, seconds: Number(seconds.toFixed(1)), perSecond, target: TARGET }));
  } else {
    for (const text of runs.flatMap((run) => run.told)) console.log(`${text}\n`);
    const verdict = failed.length === 0 ? 'none failed' : `${failed.length} failed: ${failed.slice(0, 20).join(' ')}`;
    console.log(
      `${seeds} histories (${days} days), ${verdict}, ${seconds.toFixed(1)} s: ${perSecond} histories/s (target: at least ${TARGET}), ${workers} at a time`,
    );
  }
  return failed.length === 0 ? 0 : 1;
}

function readOptions(args: readonly string[]): { seeds: number; from: number; json: boolean } | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { seeds: { type: 'string' }, from: { type: 'string' }, json: { type: 'boolean', default: false } },
    });
    const [seeds, from] = [Number(values.seeds ?? SEEDS), Number(values.from ?? 1)];
    return [seeds, from].every((value) => Number.isSafeInteger(value) && value >= 1) ? { seeds, from, json: values.json } : undefined;
  } catch {
    return undefined;
  }
}
