// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { quantile, rowOf, type Row } from '../../../build/bench/measure.ts';
import type { BenchStand } from './bench-stand.ts';

/** Ends on TERM, as a well-behaved payload does. */
const SLEEP = ['/bin/sleep', '1000'];

/** From "destroy" to the answer, which comes when nothing of it is left; then looks whether that is true. */
export async function* destroyTime(stand: BenchStand, cycles: number, warm: number): AsyncGenerator<Row> {
  const principal = await stand.principal('cycle');
  const before = stand.footprint();
  const [ours, baseline]: [number[], number[]] = [[], []];
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    await stand.poolsFull(warm);
    const { id } = await stand.create(principal, SLEEP);
    const started = performance.now();
    await stand.destroy(principal, id);
    ours.push(performance.now() - started);
    await stand.forget(principal, id);
    if (cycle % 10 === 0) baseline.push(await endOfLine());
  }
  const left = stand.footprint().filter((entry) => !before.includes(entry));
  const p99 = quantile(ours, 0.99);
  yield rowOf(`destroy to nothing left, p99 of ${cycles} (ms)`, p99, quantile(baseline, 0.99), '<= 50 ms', p99 <= 50);
  const name = `left over after ${cycles} cycles${left.length > 0 ? `: ${left.slice(0, 5).join(' ')}` : ''}`;
  yield { name, ours: left.length, baseline: 0, ratio: 0, target: '0', ok: left.length === 0 };
}

/** The least that an end can cost: TERM of a bare process to its parent's notice. */
async function endOfLine(): Promise<number> {
  const child = spawn(SLEEP[0] ?? '', SLEEP.slice(1), { stdio: 'ignore' });
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  const started = performance.now();
  child.kill('SIGTERM');
  await ended;
  return performance.now() - started;
}
