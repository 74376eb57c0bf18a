// SPDX-License-Identifier: Apache-2.0
/**
 * Bundles one folder for Bazel: `bundle.ts FOLDER DIRECTORY`. An application becomes what script/build makes of it; a package
 * becomes one module per entry of its `exports`, with other packages left as imports.
 */
import { readFileSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { APPLICATIONS } from '../applications.ts';
import { bundleApplication } from '../bundle-application.ts';
import { compilePrograms } from '../compile-c-programs.ts';

/** Bundles `folder` (relative to `root`) into `directory`. Throws on an import that leads nowhere. */
async function bundleFolder(root: string, folder: string, directory: string): Promise<void> {
  const application = APPLICATIONS.find((name) => folder === `apps/${name}`);
  if (folder === 'apps/c-programs') compilePrograms(root, directory);
  else if (application !== undefined) await bundleApplication(root, application, directory);
  else if (folder.startsWith('packages/')) await bundlePackage(root, folder, directory);
  else throw new Error(`${folder} is neither a package nor an application that build/applications.ts lists`);
}

async function bundlePackage(root: string, folder: string, directory: string): Promise<void> {
  const { exports } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { exports: string | Record<string, string> };
  const entries = typeof exports === 'string' ? [exports] : Object.values(exports);
  await using bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((entry) => [basename(entry, '.ts'), join(root, folder, entry)])),
    platform: 'node',
    external: (id) => !id.startsWith('.') && !isAbsolute(id),
    tsconfig: false,
    transform: { target: 'esnext' },
    onLog: (level, log, handle) => {
      if (log.code === 'UNRESOLVED_IMPORT') throw new Error(`${folder}: ${log.message}`);
      handle(level, log);
    },
  });
  await bundle.write({
    dir: directory,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    minify: false,
  });
}

if (import.meta.main) {
  const [folder, directory] = process.argv.slice(2);
  if (folder === undefined || directory === undefined) throw new Error('expected FOLDER DIRECTORY');
  await bundleFolder(join(import.meta.dirname, '../..'), folder, resolve(directory));
}
