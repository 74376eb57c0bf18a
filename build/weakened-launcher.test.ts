// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { presentApplications } from './applications.ts';
import { bundleApplication, type BundledApplication } from './bundle-application.ts';
import { bundleWeakenedLauncher } from './weakened-launcher.ts';

const ROOT = join(import.meta.dirname, '..');

function modulesOf({ chunks }: BundledApplication): string[] {
  return chunks.flatMap(({ moduleIds }) => moduleIds.map((id) => relative(ROOT, id))).toSorted();
}

test('nothing that ships holds a module for tests, and so none that takes a guard away', async () => {
  for (const application of presentApplications(ROOT)) {
    const modules = modulesOf(await bundleApplication(ROOT, application));
    assert.ok(modules.includes(`apps/${application}/src/main.ts`));
    assert.deepEqual(
      modules.filter((id) => /^(apps|packages)\/.*(\/testing\/|\.testing\.ts$)|weak/.test(id)),
      [],
      application,
    );
  }
});

test('the weakened launcher is the one that ships and three modules more', async () => {
  const shipped = modulesOf(await bundleApplication(ROOT, 'launcher'));
  const weakened = modulesOf(await bundleWeakenedLauncher(ROOT));
  assert.deepEqual(
    weakened.filter((id) => !shipped.includes(id)),
    ['weak-filters', 'weakened-wall', 'weakness'].map((name) => `packages/sandbox/src/testing/${name}.ts`),
  );
  assert.deepEqual(
    shipped.filter((id) => !weakened.includes(id)),
    [],
  );
});
