// SPDX-License-Identifier: Apache-2.0
/**
 * `weakened-launcher.ts DIRECTORY`: the launcher of this checkout, bundled as it ships but for one module, for the controls of the
 * escape suite (`WeakenedBuild` of the testkit starts this). The module decides what a relay is told; the one in its place leaves
 * out the guard that a test takes away.
 */
import { join } from 'node:path';
import { bundleApplication, type BundledApplication } from './bundle-application.ts';

const SANDBOX = 'packages/sandbox/src';
/** Who imports it, what, and what it gets instead. */
const SWAP = { importer: `${SANDBOX}/launcher-create.ts`, module: './launcher-wall.ts', instead: `${SANDBOX}/testing/weakened-wall.ts` };

/** Bundles it; writes `launcher.js` into `directory` when one is given. Throws when the module to swap was not met: what came out would be what ships. */
export async function bundleWeakenedLauncher(root: string, directory?: string): Promise<BundledApplication> {
  let swapped = 0;
  const bundled = await bundleApplication(root, 'launcher', directory, {
    name: 'weakened-launcher',
    resolveId: (source, importer) => {
      if (source !== SWAP.module || importer !== join(root, SWAP.importer)) return null;
      swapped += 1;
      return join(root, SWAP.instead);
    },
  });
  if (swapped !== 1) throw new Error(`Expected ${SWAP.importer} to import ${SWAP.module} once; found ${swapped}`);
  return bundled;
}

if (import.meta.main) {
  const [directory] = process.argv.slice(2);
  if (directory === undefined) throw new Error('expected: weakened-launcher.ts DIRECTORY');
  await bundleWeakenedLauncher(join(import.meta.dirname, '..'), directory);
}
