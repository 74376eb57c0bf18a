// SPDX-License-Identifier: Apache-2.0
import { chmodSync, copyFileSync, cpSync, linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';

/** The relay as it is shipped (bundled, with its Node), in a directory that every uid may read; the checkout may be private. */
export interface RelayProgram extends Disposable {
  readonly node: string;
  readonly script: string;
  readonly directory: string;
}

export async function buildRelayProgram(): Promise<RelayProgram> {
  const root = join(import.meta.dirname, '../../../..');
  const directory = mkdtempSync(join(tmpdir(), 'bureau-relay-test-'));
  chmodSync(directory, 0o755);
  await using bundle = await rolldown({
    cwd: root,
    input: { relay: join(root, 'apps/relay/src/main.ts') },
    platform: 'node',
    external: ['koffi', 'node-pty'],
    tsconfig: false,
  });
  await bundle.write({ dir: directory, format: 'esm', entryFileNames: '[name].mjs' });
  const modules = join(directory, 'node_modules');
  const koffi = realpathSync(join(root, 'packages/native/node_modules/koffi'));
  const prebuilt = `@koromix/koffi-linux-${process.arch}`;
  copyTree(koffi, join(modules, 'koffi'));
  copyTree(join(dirname(koffi), prebuilt), join(modules, prebuilt));
  copyTree(realpathSync(join(root, 'packages/observe/node_modules/node-pty')), join(modules, 'node-pty'));
  const node = join(directory, 'node');
  try {
    linkSync(realpathSync(process.execPath), node);
  } catch {
    copyFileSync(process.execPath, node); // another file system
  }
  return {
    node,
    script: join(directory, 'relay.mjs'),
    directory,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function copyTree(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true, filter: (source) => !/\/(prebuilds|third_party|deps|doc)$/.test(source) });
}
