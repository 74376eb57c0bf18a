// SPDX-License-Identifier: Apache-2.0
/** A thread that lives a range of seeds: started by `runSeedsInThread`. */
import { parentPort, workerData } from 'node:worker_threads';
import { runSeeds } from './run-seeds.ts';

const { from, count } = workerData as { readonly from: number; readonly count: number };
parentPort?.postMessage(await runSeeds(from, count));
