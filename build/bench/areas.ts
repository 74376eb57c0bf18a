// SPDX-License-Identifier: Apache-2.0
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Measure, Report } from './measure.ts';

/** Every area with its files: `{packages,apps}/<name>/bench/<area>.bench.ts`, and `<area>.<part>.bench.ts` of any package. */
export function findAreas(root: string): ReadonlyMap<string, readonly string[]> {
  const files = globSync('{packages,apps}/*/bench/*.bench.ts', { cwd: root }).toSorted();
  return Map.groupBy(
    files.map((file) => join(root, file)),
    (file) => basename(file).replace(/\..*$/, ''),
  );
}

/** What an area measures. */
export interface Area {
  readonly measures: readonly Measure[];
  readonly reports: readonly Report[];
}

/** Loads an area's files; each exports `measures`, `reports` or both. */
export async function loadArea(files: readonly string[]): Promise<Area> {
  const parts = await Promise.all(files.map(loadPart));
  return { measures: parts.flatMap(({ measures }) => measures), reports: parts.flatMap(({ reports }) => reports) };
}

async function loadPart(file: string): Promise<Area> {
  const { measures = [], reports = [] } = (await import(pathToFileURL(file).href)) as Partial<Area>;
  if (measures.length + reports.length === 0) throw new Error(`${file} exports neither "measures" nor "reports"`);
  return { measures, reports };
}
