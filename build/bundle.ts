// SPDX-License-Identifier: Apache-2.0
/**
 * Makes `.build/NAME/`: `lib/APP.js` of every application, `node_modules/` with the native packages, `bin/node`, `bin/bureau-starter`, `inside/` with the programs of every sandbox; NAME is a hash
 * over everything that goes in. Does nothing when that build is there. Prints NAME; `.build/current` links to it.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { presentApplications } from './applications.ts';
import { BUILD_NAME, buildName } from './inputs.ts';

/** Builds that are kept beside the newest: enough to go back and forth between two branches. */
const KEPT_BUILDS = 3;

/** Makes the build unless it is there; returns its name. */
export async function build(root: string): Promise<string> {
  const name = buildName(root);
  const builds = join(root, '.build');
  const target = join(builds, name);
  if (existsSync(join(target, '.complete'))) {
    utimesSync(target, new Date(), new Date());
  } else {
    mkdirSync(builds, { recursive: true });
    await make(root, builds, name);
    removeOldBuilds(builds, name);
  }
  pointCurrentTo(builds, name);
  return name;
}

async function make(root: string, builds: string, name: string): Promise<void> {
  const { bundleApplication } = await import('./bundle-application.ts'); // lazy: a no-op must stay quick
  const { compilePrograms } = await import('./compile-c-programs.ts');
  const { copyNativePackages } = await import('./native-files.ts');
  const fresh = join(builds, `.new-${name}-${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(join(fresh, 'bin'), { recursive: true });
  try {
    for (const application of presentApplications(root)) await bundleApplication(root, application, join(fresh, 'lib'));
    compilePrograms(root, fresh);
    copyNativePackages(root, join(fresh, 'node_modules'));
    writeFileSync(join(fresh, 'package.json'), `${JSON.stringify({ name: 'bureau-build', private: true, type: 'module', build: name })}\n`);
    symlinkSync(relative(join(builds, name, 'bin'), join(root, '.toolchain/bin/node')), join(fresh, 'bin/node'));
    writeFileSync(join(fresh, '.complete'), '');
    const target = join(builds, name);
    rmSync(target, { recursive: true, force: true });
    renameSync(fresh, target);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function pointCurrentTo(builds: string, name: string): void {
  const link = join(builds, `.current-${process.pid}`);
  rmSync(link, { force: true });
  symlinkSync(name, link);
  renameSync(link, join(builds, 'current'));
}

function removeOldBuilds(builds: string, name: string): void {
  const others = readdirSync(builds, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && BUILD_NAME.test(entry.name) && entry.name !== name,
  );
  const byAge = others
    .map((entry) => ({ path: join(builds, entry.name), time: modified(join(builds, entry.name)) }))
    .toSorted((a, b) => b.time - a.time);
  for (const old of byAge.slice(KEPT_BUILDS)) rmSync(old.path, { recursive: true, force: true });
}

function modified(path: string): number {
  return statSync(path).mtimeMs;
}

if (import.meta.main) {
  try {
    console.log(await build(join(import.meta.dirname, '..')));
  } catch (error) {
    console.error(`script/build: ${error instanceof Error ? error.message : String(error)}`);
    console.error('script/build: nothing was made; correct the source named above (script/check shows more) and run it again');
    process.exitCode = 1;
  }
}
