// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, relative } from 'node:path';
import type { OutputChunk } from 'rolldown';
import { NATIVE_PACKAGES } from '../native-files.ts';
import { parseModule } from './imports.ts';
import type { LockPackages } from './lockfile.ts';

/** An npm package in a bundle. */
export interface GraphPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
  /** A file of ours that imports it; absent when only other packages do. */
  readonly importedBy?: string;
}

/** What an application is made of. */
export interface ModuleGraph {
  /** Files of ours, relative to the root. */
  readonly modules: readonly string[];
  readonly packages: readonly GraphPackage[];
  readonly builtins: readonly string[];
}

/** Packages that a native package brings with it: its code for each processor that we ship to. */
const NATIVE_COMPANIONS: Readonly<Record<string, readonly string[]>> = {
  koffi: ['@koromix/koffi-linux-arm64', '@koromix/koffi-linux-x64'],
};

/** Reads the chunks of one application: files of ours, npm packages with version and integrity from the lock, Node's modules. */
export function readGraph(root: string, chunks: readonly OutputChunk[]): ModuleGraph {
  const files = [...new Set(chunks.flatMap((chunk) => chunk.moduleIds))]
    .filter((id) => !id.startsWith('\0') && id.startsWith('/'))
    .map((id) => relative(root, id));
  const modules = files.filter((file) => !file.includes('node_modules/')).toSorted();
  const importedBy = new Map<string, string>();
  for (const file of modules) {
    for (const { specifier } of parseModule(readFileSync(join(root, file), 'utf8')).imports) importedBy.set(packageOf(specifier), file);
  }
  const named = chunks.flatMap((chunk) => parseModule(chunk.code).imports.map((imported) => imported.specifier));
  const external = named
    .filter((name) => NATIVE_PACKAGES.some((native) => native === name))
    .flatMap((name) => [name, ...(NATIVE_COMPANIONS[name] ?? [])]);
  const bundled = files.flatMap((file) => (file.includes('node_modules/') ? [packageOf(file.split('node_modules/').at(-1) ?? file)] : []));
  const lock = (JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: LockPackages }).packages;
  const packages = [...new Set([...bundled, ...external])]
    .toSorted()
    .flatMap((name) => lockedVersions(lock, name, files, importedBy.get(name)));
  const builtins = [...new Set(named.filter(isBuiltin).map((name) => (name.startsWith('node:') ? name : `node:${name}`)))].toSorted();
  return { modules, packages, builtins };
}

/** The text that is committed. */
export function formatLedger(application: string, graph: ModuleGraph): string {
  return [
    `# Everything that apps/${application} is made of. Made by script/check --write; a change here is a change of what runs as root.`,
    '',
    '# npm packages (* imported by our own code)',
    ...graph.packages.map((entry) => `${entry.importedBy === undefined ? ' ' : '*'} ${entry.name} ${entry.version} ${entry.integrity}`),
    '',
    "# Node's modules",
    ...graph.builtins,
    '',
    '# files of ours',
    ...graph.modules,
    '',
  ].join('\n');
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function isBuiltin(name: string): boolean {
  return name.startsWith('node:') || builtinModules.includes(name);
}

/** The versions of a package that are in the bundle: those that its files name, or all that are locked. */
function lockedVersions(lock: LockPackages, name: string, files: readonly string[], importedBy: string | undefined): GraphPackage[] {
  const locked = Object.entries(lock).flatMap(([path, entry]) =>
    path.split('node_modules/').at(-1) === name && entry.version !== undefined ? [entry] : [],
  );
  const inBundle = locked.filter((entry) => files.some((file) => file.includes(`/${name}@${entry.version}-`)));
  const unique = new Map(
    (inBundle.length > 0 ? inBundle : locked).map((entry) => [entry.version ?? '', entry.integrity ?? 'no integrity']),
  );
  return [...unique].map(([version, integrity]) => ({ name, version, integrity, ...(importedBy === undefined ? {} : { importedBy }) }));
}
