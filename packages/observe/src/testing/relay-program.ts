// SPDX-License-Identifier: Apache-2.0
import { chmodSync, copyFileSync, cpSync, linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';
import { compileExec, compileStarter } from './compile-programs.ts';

/** A build with the relay alone (bundled, with its Node), where every uid may read it; the checkout may be private. */
export interface RelayProgram extends Disposable {
  /** As a build of script/build is laid out: `bin/node`, `bin/bureau-starter`, `inside/bureau-exec`, `lib/relay.js`, `node_modules`. */
  readonly directory: string;
  readonly node: string;
  readonly script: string;
}

/** Bundles the relay of this checkout into a new directory, which goes when the result is disposed. A test that calls it names `apps/c-programs` and `apps/relay` in `"testPrograms"` of its package.json. */
export async function buildRelayProgram(): Promise<RelayProgram> {
  const root = join(import.meta.dirname, '../../../..');
  const directory = mkdtempSync(join(tmpdir(), 'bureau-relay-test-'));
  chmodSync(directory, 0o755);
  await using bundle = await rolldown({
    cwd: root,
    input: { relay: join(root, 'apps/relay/src/main.ts') },
    platform: 'node',
    external: ['koffi'],
    tsconfig: false,
  });
  await bundle.write({ dir: join(directory, 'lib'), format: 'esm', entryFileNames: '[name].js' });
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  const modules = join(directory, 'node_modules');
  const koffi = realpathSync(join(root, 'packages/native/node_modules/koffi'));
  const prebuilt = `@koromix/koffi-linux-${process.arch}`;
  copyTree(koffi, join(modules, 'koffi'));
  copyTree(join(dirname(koffi), prebuilt), join(modules, prebuilt));
  for (const name of ['bin', 'inside']) mkdirSync(join(directory, name));
  const node = join(directory, 'bin/node');
  try {
    linkSync(realpathSync(process.execPath), node);
  } catch {
    copyFileSync(process.execPath, node); // another file system
  }
  compileStarter(join(directory, 'bin/bureau-starter'));
  compileExec(join(directory, 'inside/bureau-exec'));
  return {
    directory,
    node,
    script: join(directory, 'lib/relay.js'),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function copyTree(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true, filter: (source) => !/\/(doc|vendor)$/.test(source) });
}
