// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { quantile, rowOf, type Row } from '../../../build/bench/measure.ts';
import type { BenchPrincipal, BenchStand } from './bench-stand.ts';

/** Ends on TERM, as a well-behaved payload does. */
const SLEEP = ['/bin/sleep', '1000'];
/** Between two ends: the kernel does the first of some things anew after a pause, which ends in a row would be spared. */
const REST_MILLISECONDS = 50;

/** What the cycles are made with. */
export interface DestroyTimeOptions {
  readonly cycles: number;
  /** The pools' size, and so many stand before they are ended one after another: a pool that is filled meanwhile would use a processor. */
  readonly warm: number;
}

/** From "destroy" to the answer, which comes when nothing of it is left; then looks whether that is true. */
export async function* destroyTime(stand: BenchStand, { cycles, warm }: DestroyTimeOptions): AsyncGenerator<Row> {
  const principals = await Promise.all(Array.from({ length: Math.min(warm, cycles) }, (_, index) => stand.principal(`cycle${index}`)));
  await stand.poolsFull(warm);
  const before = stand.footprint();
  const [ours, baseline]: [number[], number[]] = [[], []];
  for (let left = cycles; left > 0; left -= warm) {
    const standing = principals.slice(0, left);
    const ids = new Map<BenchPrincipal, string>();
    for (const principal of standing) ids.set(principal, (await stand.create(principal, SLEEP)).id);
    await stand.poolsFull(warm);
    for (const [principal, id] of ids) {
      await new Promise((resolve) => setTimeout(resolve, REST_MILLISECONDS));
      const started = performance.now();
      await stand.destroy(principal, id);
      ours.push(performance.now() - started);
      await stand.forget(principal, id);
    }
    for (let round = 0; round < standing.length; round += 10) baseline.push(await endOfLine());
  }
  await stand.poolsFull(warm);
  const left = surplus(stand.footprint(), before);
  const p99 = quantile(ours, 0.99);
  yield rowOf(`destroy to nothing left, p99 of ${cycles} (ms)`, p99, quantile(baseline, 0.99), '<= 50 ms', p99 <= 50);
  const name = `left over after ${cycles} cycles${left.length > 0 ? `: ${left.slice(0, 5).join(' ')}` : ''}`;
  yield { name, ours: left.length, baseline: 0, ratio: 0, target: '0', ok: left.length === 0 };
}

/** What is in `now` more often than in `before`. */
function surplus(now: readonly string[], before: readonly string[]): string[] {
  const known = [...before];
  return now.filter((entry) => {
    const at = known.indexOf(entry);
    if (at >= 0) known.splice(at, 1);
    return at < 0;
  });
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
