// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isTestFile } from './checks/checkout-files.ts';

/** Hex digits of a build's name: 64 bits, no accident makes two builds share it. */
const NAME_LENGTH = 16;

/** The name of a build as a folder. */
export const BUILD_NAME = /^[0-9a-f]{16}$/;

/** What decides how a build comes out, beside the sources of applications and packages. */
const SINGLE_INPUTS = [
  'package-lock.json',
  'tsconfig.json',
  'apps/c-programs/compile.sh',
  'build/applications.ts',
  'build/bundle.ts',
  'build/bundle-application.ts',
  'build/compile-c-programs.ts',
  'build/inputs.ts',
  'build/native-files.ts',
];

/** Returns the paths, relative to `root` and sorted, of all files that a build is made of; tests are not. */
function buildInputs(root: string): string[] {
  const found = SINGLE_INPUTS.filter((path) => existsSync(join(root, path)));
  for (const group of ['apps', 'packages']) {
    for (const name of readdirSync(join(root, group))) {
      const folder = join(root, group, name);
      if (existsSync(join(folder, 'package.json'))) found.push(join(group, name, 'package.json'));
      const source = join(folder, 'src');
      if (!existsSync(source)) continue;
      for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || isTestFile(join(entry.parentPath, entry.name))) continue;
        found.push(relative(root, join(entry.parentPath, entry.name)));
      }
    }
  }
  return found.toSorted();
}

/** Returns the name of the build that `root` would make now: a hash over every input, its path, and the Node that runs it. */
export function buildName(root: string): string {
  const hash = createHash('sha256').update(`${process.version}\0${process.arch}\0`);
  for (const path of buildInputs(root)) {
    const bytes = readFileSync(join(root, path));
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex').slice(0, NAME_LENGTH);
}
