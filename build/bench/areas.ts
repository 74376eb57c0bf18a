// SPDX-License-Identifier: Apache-2.0
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Measure } from './measure.ts';

/** Every area with its file: `{packages,apps}/<name>/bench/<area>.bench.ts`. */
export function findAreas(root: string): ReadonlyMap<string, string> {
  const files = globSync('{packages,apps}/*/bench/*.bench.ts', { cwd: root }).toSorted();
  return new Map(files.map((file) => [basename(file, '.bench.ts'), join(root, file)]));
}

/** The measures of one area's file. */
export async function loadMeasures(file: string): Promise<readonly Measure[]> {
  const loaded = (await import(pathToFileURL(file).href)) as { measures?: readonly Measure[] };
  if (!Array.isArray(loaded.measures)) throw new Error(`${file} does not export "measures"`);
  return loaded.measures;
}
