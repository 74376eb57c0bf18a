// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { nearestName } from '../nearest-name.ts';
import { findAreas, loadArea, type Area } from './areas.ts';
import { Cleanups } from './cleanups.ts';
import { runMeasure, type Row } from './measure.ts';
import { formatTable } from './table.ts';

const USAGE = `Usage: script/bench [AREA…] [--json] [--full]

Runs ours and a baseline in alternating rounds and compares their medians. Exit code 1 when a target is missed.
--full takes as many rounds as the targets name (minutes) where the default is a sample.
--json prints one object a line: {name, ours, baseline, ratio, target, ok}.
Interrupted (Ctrl-C, SIGTERM, SIGHUP) it takes down what it has started, which takes some seconds.

Example: script/bench ipc
`;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function* rowsOf({ measures, reports }: Area, full: boolean, cleanups: Cleanups): AsyncGenerator<Row> {
  for (const measure of measures) yield await runMeasure(measure, cleanups);
  const say = (line: string): void => void process.stderr.write(`  ${line}\n`);
  for (const report of reports) yield* report.run({ full, say, cleanups });
}

/** The exit code of `work`, or of the signal that came before its end; what `work` has started is gone by then. A second signal ends at once. */
async function interruptible(work: (cleanups: Cleanups) => Promise<number>): Promise<number> {
  const cleanups = new Cleanups();
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of SIGNALS) process.once(signal, interrupt);
  try {
    const first = await Promise.race([work(cleanups), interrupted]);
    if (typeof first === 'number') return first;
    process.stderr.write(`bench: ${first}; taking down what was started\n`);
    return 128 + constants.signals[first];
  } finally {
    for (const error of await cleanups.run()) process.stderr.write(`bench: not taken down: ${String(error)}\n`);
  }
}

async function main(args: readonly string[], cleanups: Cleanups): Promise<number> {
  const areas = findAreas(new URL('../..', import.meta.url).pathname);
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, full: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (parsed.values.help === true) {
    process.stdout.write(`${USAGE}\nAreas: ${[...areas.keys()].join(', ')}\n`);
    return 0;
  }
  for (const name of parsed.positionals) {
    if (areas.has(name)) continue;
    const known = [...areas.keys()];
    process.stderr.write(
      `bench: no area ${JSON.stringify(name)}; did you mean "${nearestName(name, known)}"? There are: ${known.join(', ')}\n`,
    );
    return 2;
  }
  const chosen = parsed.positionals.length > 0 ? new Set(parsed.positionals) : areas.keys();
  const rows: Row[] = [];
  for (const name of chosen) {
    for await (const row of rowsOf(await loadArea(areas.get(name) ?? []), parsed.values.full === true, cleanups)) {
      rows.push(row);
      if (parsed.values.json === true) process.stdout.write(`${JSON.stringify(row)}\n`);
      else process.stderr.write(`  ${row.name}: done\n`);
    }
  }
  if (parsed.values.json !== true) process.stdout.write(`${formatTable(rows)}\n`);
  return rows.every((row) => row.ok) ? 0 : 1;
}

// What an interrupted measure still waits for must not hold us.
process.exit(await interruptible((cleanups) => main(process.argv.slice(2), cleanups)));
