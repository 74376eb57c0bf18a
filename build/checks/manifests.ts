// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** 0 core, 1 host, 2 primitives, 3 system; the words are the folders of that name. */
export type Layer = 0 | 1 | 2 | 3 | 'testing' | 'app' | 'integration';

export const LAYERS: readonly Layer[] = [0, 1, 2, 3, 'testing', 'app', 'integration'];

/** What a package.json says, with its folder. */
export interface Manifest {
  /** Relative to the root; '' for the root itself. */
  readonly folder: string;
  readonly name: string;
  readonly layer: unknown;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

/** Reads every package.json among `files` (relative to `root`). */
export function readManifests(root: string, files: readonly string[]): Manifest[] {
  return files
    .filter((file) => file === 'package.json' || file.endsWith('/package.json'))
    .map((file) => {
      const content = JSON.parse(readFileSync(join(root, file), 'utf8')) as Partial<Manifest>;
      const folder = dirname(file) === '.' ? '' : dirname(file);
      const { name = folder, dependencies = {}, devDependencies = {}, optionalDependencies = {} } = content;
      return { folder, name, layer: content.layer, dependencies, devDependencies, optionalDependencies };
    });
}

/** Returns the package that a file belongs to: the one with the longest folder that holds it. */
export function ownerOf(manifests: readonly Manifest[], file: string): Manifest | undefined {
  const holders = manifests.filter((manifest) => manifest.folder !== '' && file.startsWith(`${manifest.folder}/`));
  return holders.toSorted((a, b) => b.folder.length - a.folder.length)[0];
}
