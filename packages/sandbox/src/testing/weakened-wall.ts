// SPDX-License-Identifier: Apache-2.0
/**
 * Stands in for `launcher-wall.ts` in the launcher that `build/weakened-launcher.ts` bundles for the escape suite; nothing imports it.
 * What ships has no way here: neither a parameter nor a file, an environment or a message.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planSandbox as planWithAllGuards } from '../launcher-wall.ts';
import { weakened, weaknessOf } from './weakness.ts';

/** Beside the bundle's directory, where only root writes. Read at each start of a sandbox. */
const FILE = join(import.meta.dirname, '../weaknesses.json');

/** As the launcher decides, but for what the file says of this principal. */
export const planSandbox: typeof planWithAllGuards = (input, ...rest) => {
  const planned = planWithAllGuards(input, ...rest);
  const weakness = weaknessOf(input.principal, readFileSync(FILE, 'utf8'));
  return weakness === undefined ? planned : { ...planned, start: weakened(planned.start, weakness) };
};
