// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutFiles } from './checks/checkout-files.ts';

const HEAD = ['# SPDX-License-Identifier: Apache-2.0', '# Written by script/check --write bazel-files, from every package.json. Not to be edited.'];

/** What Bazel is not to look into, beside every package's `node_modules`: what is installed or made, and other workspaces. */
const IGNORED = ['.build', '.git', '.toolchain', 'build/bazel/remote-coverage-tools', 'node_modules'];

/** Files of the root that every step gets: what is installed, and how sources are read. Links lead to the copy's own install. */
const INSTALLED = [
  '.gitignore',
  '.npmrc',
  '.toolchain/node_modules/.package-lock.json',
  'node_modules/.package-lock.json',
  'package-lock.json',
  'package.json',
  'tsconfig.json',
  'tsconfig.layer-0.json',
  '//build:installers',
];

/** What is in the root beside packages, applications and `build`: checks of the house read it. */
const ROOT_FILES = ['*', '.*', '.ci/**', 'bin/**', 'deploy/**', 'docs/**', 'script/**'];

/** A package.json as far as Bazel's files follow from it. */
export interface BazelPackage {
  /** Relative to the root. */
  readonly folder: string;
  /** Folders of packages that its sources import. */
  readonly dependencies: readonly string[];
  /** Folders of packages that only its tests import. */
  readonly testDependencies: readonly string[];
  /** Files of the root that its code reads: `reads` of its package.json. */
  readonly reads: readonly string[];
  readonly hasTests: boolean;
}

/** Returns the files that Bazel needs of the checkout at `root`: path (relative) and text. Throws on a package.json that names no package. */
export function bazelFiles(root: string): Map<string, string> {
  const packages = readPackages(root, checkoutFiles(root));
  const files = packages.map((entry): [string, string] => [`${entry.folder}/BUILD.bazel`, packageFile(entry)]);
  return new Map([['.bazelignore', ignoreFile(packages)], ['BUILD.bazel', rootFile(packages)], ...files]);
}

function readPackages(root: string, files: readonly string[]): BazelPackage[] {
  const folders = files.flatMap((file) => /^((?:apps|packages)\/[^/]+|integration)\/package\.json$/.exec(file)?.[1] ?? []);
  const manifests = folders.map((folder) => ({ folder, manifest: readManifest(join(root, folder, 'package.json')) }));
  const folderOf = new Map(manifests.map(({ folder, manifest }) => [manifest.name, folder]));
  const own = (names: Readonly<Record<string, string>> = {}): string[] =>
    Object.keys(names).flatMap((name) => (name.startsWith('@bureau/') ? [folderOf.get(name) ?? unknownPackage(name)] : []));
  return manifests.map(({ folder, manifest }) => ({
    folder,
    dependencies: own(manifest.dependencies).toSorted(),
    testDependencies: own(manifest.devDependencies).toSorted(),
    reads: (manifest.reads ?? []).toSorted(),
    hasTests: folder !== 'integration' && files.some((file) => file.startsWith(`${folder}/`) && file.endsWith('.test.ts')),
  }));
}

function unknownPackage(name: string): never {
  throw new Error(`${name} is a dependency, and no package.json has that name; correct the dependency`);
}

function readManifest(path: string): {
  readonly name: string;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly reads?: string[];
} {
  return JSON.parse(readFileSync(path, 'utf8')) as ReturnType<typeof readManifest>;
}

/** The text of `<folder>/BUILD.bazel`. */
export function packageFile(entry: BazelPackage): string {
  const name = entry.folder.slice(entry.folder.lastIndexOf('/') + 1);
  const rules = [...(entry.hasTests ? ['node_test'] : []), ...(entry.folder === 'integration' ? [] : ['ts_bundle']), 'ts_package'];
  const sources = entry.folder === 'integration' ? ['**'] : ['package.json', 'src/**'];
  const tests = ['bench/**', 'src/**/*.test.ts'];
  const blocks = [
    [...HEAD, `load("//build/bazel:defs.bzl", ${rules.map((rule) => `"${rule}"`).join(', ')})`],
    ['package(default_visibility = ["//visibility:public"])'],
    [
      'ts_package(',
      `    name = "${name}",`,
      `    srcs = glob(${globbed(sources)}, exclude = ${globbed(['**/node_modules/**', ...(entry.folder === 'integration' ? [] : ['src/**/*.test.ts'])])}),`,
      ...listed('reads', entry.reads.map((file) => `//:${file}`)),
      ...listed('deps', entry.dependencies.map(label)),
      ')',
    ],
  ];
  if (entry.folder !== 'integration') {
    blocks.push(['filegroup(', '    name = "tests",', `    srcs = glob(${globbed(tests)}),`, ')']);
    blocks.push(['ts_bundle(', '    name = "bundle",', `    package = ":${name}",`, ')']);
  }
  if (entry.hasTests) {
    blocks.push([
      'node_test(',
      '    name = "test",',
      '    size = "large",',
      '    srcs = [":tests"],',
      `    package = ":${name}",`,
      '    tags = ["local"],',
      ...listed('deps', entry.testDependencies.map(label)),
      ')',
    ]);
  }
  return textOf(blocks);
}

function rootFile(packages: readonly BazelPackage[]): string {
  const reads = [...new Set(packages.flatMap((entry) => entry.reads))].toSorted();
  const names = packages.map((entry) => label(entry.folder)).toSorted();
  const tests = packages.filter((entry) => entry.folder !== 'integration').map((entry) => `${label(entry.folder)}:tests`);
  return textOf([
    [...HEAD, 'load("//build/bazel:defs.bzl", "ts_types")'],
    ['package(default_visibility = ["//visibility:public"])'],
    ['exports_files([', ...[...reads, 'tsconfig.json', 'tsconfig.layer-0.json'].map((file) => `    "${file}",`), '])'],
    ['# What decides how every step comes out: what is locked, what is installed, how sources are read.', 'filegroup(', '    name = "installed",', ...listed('srcs', INSTALLED), ')'],
    ['# Everything: sources, tests, documents, scripts.', 'filegroup(', '    name = "checkout",', `    srcs = glob(${globbed(ROOT_FILES)}) + [`, ...['//build:files', ...names, ...tests].toSorted().map((file) => `        "${file}",`), '    ],', ')'],
    ['ts_types(', '    name = "types",', '    srcs = ["//build:files"] + [', ...tests.toSorted().map((file) => `        "${file}",`), '    ],', '    project = "tsconfig.json",', ...listed('deps', names), ')'],
    ['ts_types(', '    name = "types_layer_0",', '    project = "tsconfig.layer-0.json",', '    deps = [', '        "//packages/core",', '        "//packages/protocol",', '    ],', ')'],
  ]);
}

function ignoreFile(packages: readonly BazelPackage[]): string {
  // Bazel would follow npm's links from package to package; this file knows no patterns.
  return [...HEAD, ...[...IGNORED, ...packages.map((entry) => `${entry.folder}/node_modules`)].toSorted(), ''].join('\n');
}

function label(folder: string): string {
  return `//${folder}`;
}

function globbed(patterns: readonly string[]): string {
  return `[${patterns.map((pattern) => `"${pattern}"`).join(', ')}]`;
}

/** Lines of an attribute that is a list; none for an empty one. */
function listed(attribute: string, values: readonly string[]): string[] {
  if (values.length === 0) return [];
  if (values.length === 1) return [`    ${attribute} = ["${values[0]}"],`];
  return [`    ${attribute} = [`, ...values.map((value) => `        "${value}",`), '    ],'];
}

function textOf(blocks: readonly (readonly string[])[]): string {
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
