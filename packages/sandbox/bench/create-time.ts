// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { median, quantile, rowOf, type Row } from '../../../build/bench/measure.ts';
import type { BenchStand } from './bench-stand.ts';
import { bwrapLine } from './bwrap-line.ts';

const ECHO = ['/bin/echo', 'here'];

/** What one comparison is made of. */
export interface CreateTimeOptions {
  readonly rounds: number;
  readonly seccomp: Uint8Array;
  readonly warm: number;
  readonly say: (line: string) => void;
}

/** From "create" to the payload's first output as the relay has it, alternating with the hand-written line; pools are full before each. */
export async function* createTime(stand: BenchStand, options: CreateTimeOptions): AsyncGenerator<Row> {
  const { rounds, seccomp, warm, say } = options;
  const principal = await stand.principal('one');
  const [ours, baseline]: [number[], number[]] = [[], []];
  await stand.forget(principal, (await endOf(stand, await stand.create(principal, ECHO), principal)).id);
  const number = stand.numberOf(principal);
  for (let round = -2; round < rounds; round += 1) {
    const line = await bwrapLine(seccomp, ECHO);
    await stand.poolsFull(warm);
    const output = stand.nextOutput(number);
    const started = performance.now();
    const info = await stand.create(principal, ECHO);
    const took = (await output.at) - started;
    await endOf(stand, info, principal);
    // The first two are warm-up: the launcher's code is compiled by them.
    if (round >= 0) {
      ours.push(took);
      baseline.push(line.first);
    }
  }
  const p99 = [quantile(ours, 0.99), quantile(baseline, 0.99)] as const;
  yield rowOf(
    `create to first output, p50 of ${rounds} (ms)`,
    median(ours),
    median(baseline),
    '<= 2.0x',
    median(ours) <= 2 * median(baseline),
  );
  yield rowOf(`create to first output, p99 of ${rounds} (ms)`, p99[0], p99[1], '<= 3x', p99[0] <= 3 * p99[1]);
  say(`pools: ${warm} relays and ${warm} proxies, full before each create`);
  const { logDir } = stand.paths;
  say(`steps of a create, median of ms from the request: ${stagesOf(`${logDir}/launcher.log`, 'sandbox created', rounds)}`);
  say(`steps of its relay, median of ms from its take-over: ${stagesOf(`${logDir}/relay-${number}.log`, 'payload ended', rounds)}`);
}

async function endOf<Info extends { readonly id: string }>(
  stand: BenchStand,
  info: Info,
  principal: Parameters<BenchStand['destroy']>[0],
): Promise<Info> {
  await stand.destroy(principal, info.id);
  return info;
}

/** Launcher and relay write down when each step was taken: the median of each in the last `rounds` lines that say `message`. */
function stagesOf(log: string, message: string, rounds: number): string {
  const stages = new Map<string, number[]>();
  const lines = readFileSync(log, 'utf8').split('\n');
  for (const line of lines.filter((each) => each.includes(`"${message}"`)).slice(-rounds)) {
    const { milliseconds } = JSON.parse(line) as { milliseconds: Record<string, number> };
    for (const [stage, at] of Object.entries(milliseconds)) stages.set(stage, [...(stages.get(stage) ?? []), at]);
  }
  return [...stages]
    .map(([stage, at]) => [stage, median(at)] as const)
    .toSorted(([, a], [, b]) => a - b)
    .map(([stage, at]) => `${stage} ${at.toFixed(1)}`)
    .join(', ');
}
