// SPDX-License-Identifier: Apache-2.0
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Measure, Report } from './measure.ts';

/** Every area with its file: `{packages,apps}/<name>/bench/<area>.bench.ts`. */
export function findAreas(root: string): ReadonlyMap<string, string> {
  const files = globSync('{packages,apps}/*/bench/*.bench.ts', { cwd: root }).toSorted();
  return new Map(files.map((file) => [basename(file, '.bench.ts'), join(root, file)]));
}

/** What one area's file measures. */
export interface Area {
  readonly measures: readonly Measure[];
  readonly reports: readonly Report[];
}

/** Loads one area's file; it exports `measures`, `reports` or both. */
export async function loadArea(file: string): Promise<Area> {
  const { measures = [], reports = [] } = (await import(pathToFileURL(file).href)) as Partial<Area>;
  if (measures.length + reports.length === 0) throw new Error(`${file} exports neither "measures" nor "reports"`);
  return { measures, reports };
}
