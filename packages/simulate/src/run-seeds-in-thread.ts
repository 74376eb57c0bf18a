// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SeedRun } from './run-seeds.ts';

/** As `runSeeds`, in a thread of its own: several run side by side, and what a test runner does at each promise does not slow them. */
export function runSeedsInThread(from: number, count: number): Promise<SeedRun> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(import.meta.dirname, 'seed-worker.ts'), { workerData: { from, count } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
