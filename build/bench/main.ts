// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { nearestName } from '../nearest-name.ts';
import { findAreas, loadArea, type Area } from './areas.ts';
import { runMeasure, type Row } from './measure.ts';
import { formatTable } from './table.ts';

const USAGE = `Usage: script/bench [AREA…] [--json] [--full]

Runs ours and a baseline in alternating rounds and compares their medians. Exit code 1 when a target is missed.
--full takes as many rounds as the targets name (minutes) where the default is a sample.
--json prints one object a line: {name, ours, baseline, ratio, target, ok}.

Example: script/bench ipc
`;

async function* rowsOf({ measures, reports }: Area, full: boolean): AsyncGenerator<Row> {
  for (const measure of measures) yield await runMeasure(measure);
  const say = (line: string): void => void process.stderr.write(`  ${line}\n`);
  for (const report of reports) yield* report.run({ full, say });
}

async function main(args: readonly string[]): Promise<number> {
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
    for await (const row of rowsOf(await loadArea(areas.get(name) ?? []), parsed.values.full === true)) {
      rows.push(row);
      if (parsed.values.json === true) process.stdout.write(`${JSON.stringify(row)}\n`);
      else process.stderr.write(`  ${row.name}: done\n`);
    }
  }
  if (parsed.values.json !== true) process.stdout.write(`${formatTable(rows)}\n`);
  return rows.every((row) => row.ok) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
