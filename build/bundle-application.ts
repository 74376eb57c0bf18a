// SPDX-License-Identifier: Apache-2.0
import { builtinModules } from 'node:module';
import { dirname } from 'node:path';
import { rolldown } from 'rolldown';
import type { OutputChunk, Plugin, RolldownOutput } from 'rolldown';
import { entryOf } from './applications.ts';
import type { Application } from './applications.ts';
import { NATIVE_PACKAGES } from './native-files.ts';

/** The way out of `root` in a comment that names an npm module, when `node_modules` is a link: a bundle names no checkout. */
const FOREIGN_MODULE_NAME = /(?<=^\/\/(?:#region)? )\.\.\/.*?\/(node_modules\/\.store\/)/gm;

/** One application as JavaScript: its entry and the chunks that it loads lazily. */
export interface BundledApplication {
  readonly application: Application;
  readonly chunks: readonly OutputChunk[];
}

/**
 * Bundles one application into ES modules for the Node that runs this; writes to `directory` when one is given.
 * Entry `NAME.js`; what is only reached by `import()` becomes `NAME/CHUNK.js`. Nothing is minified: a bundle can be read and
 * its stack traces mean something. Native packages and Node's own modules stay imports; anything else unresolved is an error.
 * `plugin` is a test's, which bundles something else than what ships.
 */
export async function bundleApplication(
  root: string,
  application: Application,
  directory?: string,
  plugin?: Plugin,
): Promise<BundledApplication> {
  await using bundle = await rolldown({
    cwd: root,
    input: { [application]: entryOf(root, application) },
    platform: 'node',
    external: [...NATIVE_PACKAGES, /^node:/, ...builtinModules],
    tsconfig: false,
    // Its main file asks for its parts in a way that no bundler can follow; `module` has them plainly.
    resolve: { alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' } },
    transform: { target: 'esnext' },
    // Our modules do nothing when they are loaded (house style), so what is not used is left out.
    treeshake: { moduleSideEffects: (id) => id.includes('/node_modules/') || id.endsWith('/main.ts') },
    plugins: [{ name: 'module-names', renderChunk: (code) => code.replaceAll(FOREIGN_MODULE_NAME, '$1') }, plugin],
    onLog: (level, log, handle) => {
      if (log.code === 'UNRESOLVED_IMPORT') throw new Error(`apps/${application}: ${log.message}`);
      if (level === 'warn' && !isFromDependency(log.id ?? log.loc?.file)) handle(level, log);
    },
  });
  const options = {
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: `${application}/[name]-[hash].js`,
    minify: false,
    comments: { legal: true, annotation: false, jsdoc: false },
  } as const;
  const output: RolldownOutput =
    directory === undefined ? await bundle.generate(options) : await bundle.write({ ...options, dir: directory });
  return { application, chunks: output.output.filter((item) => item.type === 'chunk') };
}

function isFromDependency(file: string | undefined): boolean {
  return file === undefined || dirname(file).includes('node_modules');
}
