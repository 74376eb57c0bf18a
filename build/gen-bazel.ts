// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutFiles } from './checks/checkout-files.ts';

const HEAD = [
  '# SPDX-License-Identifier: Apache-2.0',
  '# Written by script/check --write bazel-files, from every package.json. Not to be edited.',
];

const VISIBLE = 'package(default_visibility = ["//visibility:public"])';

/** What Bazel is not to look into, beside every package's `node_modules`: what is installed or made, and other workspaces. */
const IGNORED = ['.build', '.git', '.toolchain', 'build/bazel/remote-coverage-tools', 'node_modules'];

/** Files of the root that every step gets: what is installed, and how sources are read. Links lead to the copy's own install. */
const INSTALLED = [
  '.gitignore',
  '.npmrc',
  '.toolchain/node_modules/.package-lock.json',
  'node_modules/.package-lock.json',
  'package.json',
  'package-lock.json',
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
  /** Folders of packages that only its tests import, and of applications that they bundle and start: `testPrograms` of its package.json. */
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
    testDependencies: [...own(manifest.devDependencies), ...(manifest.testPrograms ?? [])].toSorted(),
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
  readonly testPrograms?: string[];
} {
  return JSON.parse(readFileSync(path, 'utf8')) as ReturnType<typeof readManifest>;
}

/** The text of `<folder>/BUILD.bazel`, as buildifier would format it. */
export function packageFile(entry: BazelPackage): string {
  const name = entry.folder.slice(entry.folder.lastIndexOf('/') + 1);
  const isSuite = entry.folder === 'integration';
  const loaded = [...(entry.hasTests ? ['node_test'] : []), ...(isSuite ? [] : ['test_files', 'ts_bundle']), 'package_files', 'ts_package'];
  const blocks = [
    [...HEAD, `load("//build/bazel:defs.bzl", ${loaded.toSorted().map(quoted).join(', ')})`],
    [VISIBLE],
    [
      'ts_package(',
      `    name = "${name}",`,
      `    srcs = package_files(${isSuite ? 'with_tests = True' : ''}),`,
      ...listed(
        'reads',
        entry.reads.map((file) => `//:${file}`),
      ),
      ...listed('deps', entry.dependencies.map(label)),
      ')',
    ],
  ];
  if (!isSuite) {
    blocks.push(['filegroup(', '    name = "tests",', '    srcs = test_files(),', ')']);
    blocks.push(['ts_bundle(', '    name = "bundle",', `    package = ":${name}",`, ')']);
  }
  if (entry.hasTests) {
    const dependencies = listed('deps', entry.testDependencies.map(label));
    blocks.push([
      'node_test(',
      '    name = "test",',
      '    srcs = [":tests"],',
      `    package = ":${name}",`,
      '    tags = ["local"],',
      ...dependencies,
      ')',
    ]);
  }
  return textOf(blocks);
}

/** The text of `BUILD.bazel` in the root. */
export function rootFile(packages: readonly BazelPackage[]): string {
  const reads = [...new Set([...packages.flatMap((entry) => entry.reads), 'tsconfig.json', 'tsconfig.layer-0.json'])].toSorted();
  const folders = packages.map((entry) => entry.folder).toSorted();
  const testsOf = (folder: string): string[] => (folder === 'integration' ? [] : [`${label(folder)}:tests`]);
  const withBuild = (of: (folder: string) => string[]): string[] =>
    [...folders, 'build'].toSorted().flatMap((folder) => (folder === 'build' ? ['//build:files'] : of(folder)));
  return textOf([
    [...HEAD, 'load("//build/bazel:defs.bzl", "ts_types")'],
    [VISIBLE],
    ['exports_files([', ...lines(reads), '])'],
    [
      '# What decides how every step comes out: what is locked, what is installed, how sources are read.',
      'filegroup(',
      '    name = "installed",',
      ...listed('srcs', INSTALLED),
      ')',
    ],
    [
      '# Everything: sources, tests, documents, scripts.',
      'filegroup(',
      '    name = "checkout",',
      '    srcs = glob([',
      ...lines(ROOT_FILES, 8),
      '    ]) + [',
      ...lines(
        withBuild((folder) => [label(folder), ...testsOf(folder)]),
        8,
      ),
      '    ],',
      ')',
    ],
    [
      'ts_types(',
      '    name = "types",',
      ...listed('srcs', withBuild(testsOf)),
      '    project = "tsconfig.json",',
      ...listed('deps', folders.map(label)),
      ')',
    ],
    [
      'ts_types(',
      '    name = "types_layer_0",',
      '    project = "tsconfig.layer-0.json",',
      ...listed('deps', ['//packages/core', '//packages/protocol']),
      ')',
    ],
  ]);
}

function ignoreFile(packages: readonly BazelPackage[]): string {
  // Bazel would follow npm's links from package to package; this file knows no patterns.
  return [...HEAD, ...[...IGNORED, ...packages.map((entry) => `${entry.folder}/node_modules`)].toSorted(), ''].join('\n');
}

function label(folder: string): string {
  return `//${folder}`;
}

function quoted(text: string): string {
  return `"${text}"`;
}

function lines(values: readonly string[], indent = 4): string[] {
  return values.map((value) => `${' '.repeat(indent)}${quoted(value)},`);
}

/** Lines of an attribute that is a list; none for an empty one. */
function listed(attribute: string, values: readonly string[]): string[] {
  if (values.length === 0) return [];
  if (values.length === 1) return [`    ${attribute} = [${values.map(quoted).join('')}],`];
  return [`    ${attribute} = [`, ...lines(values, 8), '    ],'];
}

function textOf(blocks: readonly (readonly string[])[]): string {
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
