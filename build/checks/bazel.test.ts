// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packageFile, rootFile } from '../gen-bazel.ts';
import type { BazelPackage } from '../gen-bazel.ts';
import { bazelFindings } from './bazel.ts';
import { staleFindings, strayFindings } from './bazel-files.ts';
import { groupFindings } from './bazel-groups.ts';

const IPC: BazelPackage = {
  folder: 'packages/ipc',
  dependencies: ['packages/core', 'packages/native'],
  testDependencies: ['packages/testkit'],
  reads: ['deploy/matrix/requirements.txt'],
  hasTests: true,
};

test('packageFile names what sources import, what only tests import, and what is read in the root', () => {
  const text = packageFile(IPC);
  assert.match(text, /^# SPDX-License-Identifier: Apache-2\.0\n# Written by script\/check --write bazel-files/);
  assert.match(
    text,
    /ts_package\(\n {4}name = "ipc",\n {4}srcs = package_files\(\),\n {4}reads = \["\/\/:deploy\/matrix\/requirements\.txt"\],\n/,
  );
  assert.match(text, /\n {4}deps = \[\n {8}"\/\/packages\/core",\n {8}"\/\/packages\/native",\n {4}\],\n\)/);
  assert.match(text, /node_test\([^)]*\n {4}deps = \["\/\/packages\/testkit"\],\n\)\n$/);
});

test('packageFile makes no test of a package without tests, and nothing but sources of the integration tests', () => {
  assert.doesNotMatch(packageFile({ ...IPC, hasTests: false }), /node_test/);
  assert.doesNotMatch(packageFile({ ...IPC, folder: 'integration', hasTests: false }), /node_test|ts_bundle|name = "tests"/);
});

test('rootFile lets packages read what they say they read, and checks the types of every package with its tests', () => {
  const text = rootFile([IPC, { ...IPC, folder: 'integration', hasTests: false }]);
  assert.match(text, /exports_files\(\[\n {4}"deploy\/matrix\/requirements\.txt",\n/);
  assert.match(text, /name = "types",\n {4}srcs = \[\n {8}"\/\/build:files",\n {8}"\/\/packages\/ipc:tests",\n {4}\],/);
});

test('staleFindings says which line is not what package.json says, or that a file is missing', () => {
  const wanted = new Map([
    ['a', '1\n2\n'],
    ['b', '1\n'],
    ['c', '1\n'],
  ]);
  const texts: Record<string, string> = { a: '1\nx\n', b: '1\n' };
  const found = staleFindings(wanted, (path) => texts[path]);
  assert.deepEqual(
    found.map(({ file, line, problem }) => [file, line, problem.split(':')[0]]),
    [
      ['a', 2, 'is not what the package.json files say'],
      ['c', undefined, 'is missing'],
    ],
  );
});

test('groupFindings names what a source of a group imports and the group lacks', () => {
  const text =
    'filegroup(\n    name = "runner",\n    srcs = [\n        "a.ts",\n        "b.ts",\n        "//build/bazel:c.ts",\n    ],\n)\n';
  const sources: Record<string, string> = {
    'build/a.ts': "import './b.ts'; import type { X } from './gone.ts'; import 'node:fs';",
    'build/bazel/c.ts': "import { a } from '../a.ts'; import './d.ts';",
  };
  assert.deepEqual(
    groupFindings(text, (file) => sources[file]).map(({ problem }) => /not (\S+),/.exec(problem)?.[1]),
    ['build/gone.ts', 'build/bazel/d.ts'],
  );
});

test('strayFindings names a BUILD.bazel that is left of a package', () => {
  const files = ['packages/ipc/BUILD.bazel', 'packages/gone/BUILD.bazel', 'build/BUILD.bazel'];
  assert.deepEqual(
    strayFindings(new Map([['packages/ipc/BUILD.bazel', '']]), files).map((finding) => finding.file),
    ['packages/gone/BUILD.bazel'],
  );
});

test('bazelFindings names failed steps with what they said, and failed suites', () => {
  const output = [
    'INFO: Found 3 targets',
    'ERROR: /srv/x/BUILD.bazel:94:9: TsTypes //:types failed: (Exit 1): staged.sh failed',
    "packages/a/src/a.ts(1,2): error TS2322: Type 'number' is not assignable",
    'INFO: Elapsed time: 1s',
    '//packages/a:test     FAILED in 3.2s',
    '  /root/log',
    '//packages/b:test     TIMEOUT in 300.1s',
    '//packages/c:test     (cached) PASSED in 1.0s',
    '//packages/d:test     FAILED TO BUILD',
  ].join('\n');
  const found = bazelFindings(output);
  assert.deepEqual(
    found.map((finding) => finding.file),
    ['.bazelrc', 'packages/a/BUILD.bazel', 'packages/b/BUILD.bazel'],
  );
  assert.match(found[0]?.problem ?? '', /TsTypes[^]*TS2322/);
  assert.match(found[2]?.problem ?? '', /TIMEOUT/);
});

test('bazelFindings has a finding for whatever else Bazel says', () => {
  assert.match(bazelFindings('no space left')[0]?.problem ?? '', /no space left/);
});
