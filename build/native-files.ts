// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Packages with a native module: not bundled, copied beside the bundles with only the files that they need to load. */
export const NATIVE_PACKAGES = ['koffi'] as const;

const KOFFI_FILES = [
  'package.json',
  'index.js',
  'index.cjs',
  'src/koffi/index.js',
  'src/koffi/index.cjs',
  'src/koffi/src/static.js',
  'src/koffi/src/static.cjs',
];

/** Copies the native packages from where `root` has them installed to `destination` (a `node_modules` folder). */
export function copyNativePackages(root: string, destination: string): void {
  const koffi = realpathSync(join(root, 'packages/native/node_modules/koffi'));
  const prebuilt = `@koromix/koffi-linux-${process.arch}`;
  copyFiles(koffi, join(destination, 'koffi'), KOFFI_FILES);
  copyFiles(join(dirname(koffi), prebuilt), join(destination, prebuilt), ['package.json', 'index.js', `linux_${process.arch}/koffi.node`]);
}

function copyFiles(from: string, to: string, files: readonly string[]): void {
  for (const file of files) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    copyFileSync(join(from, file), join(to, file));
  }
}
