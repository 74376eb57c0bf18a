// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatResults, runChecks } from '../check.ts';
import { dependencyFindings } from './dependencies.ts';
import { describeFinding } from './finding.ts';
import type { Check, Finding } from './finding.ts';
import { parseModule } from './imports.ts';
import { manifestFindings, moduleFindings } from './layers.ts';
import { differenceFindings, forbiddenFindings } from './ledger.ts';
import { lockFindings } from './lockfile.ts';
import { longestFiles } from './longest-files.ts';
import type { Layer, Manifest } from './manifests.ts';
import { sourceFindings } from './sources.ts';
import { formatCheck, lintCheck, pureTypesCheck, typesCheck } from './tools.ts';

const ROOT = join(import.meta.dirname, '../..');

function manifest(folder: string, layer: Layer, dependencies: string[] = [], devDependencies: string[] = []): Manifest {
  const versions = (names: string[]): Record<string, string> => Object.fromEntries(names.map((name) => [name, '1.0.0']));
  const name = `@bureau/${folder.startsWith('apps/') ? 'app-' : ''}${folder.split('/').at(-1)}`;
  return {
    folder,
    name,
    layer,
    dependencies: versions(dependencies),
    devDependencies: versions(devDependencies),
    optionalDependencies: {},
  };
}

const PACKAGES = [
  manifest('packages/core', 0),
  manifest('packages/ipc', 1, ['@bureau/core', 'msgpackr'], ['fast-check', '@bureau/testkit']),
  manifest('packages/proxy', 2, ['@bureau/ipc']),
  manifest('packages/testkit', 'testing', ['@bureau/ipc']),
  manifest('apps/cli', 'app', ['@bureau/proxy', '@bureau/core']),
  manifest('integration', 'integration', ['@bureau/testkit', '@bureau/core', '@bureau/ipc']),
];

function problems(findings: readonly Finding[]): string[] {
  return findings.map((finding) => finding.problem);
}

function modulesProblems(file: string, source: string): string[] {
  return problems(moduleFindings(PACKAGES, file, parseModule(source)));
}

test('manifestFindings refuses what only unprivileged processes may have, also through another package', () => {
  const found = problems(
    manifestFindings([
      manifest('packages/ipc-node-ipc', 1),
      manifest('packages/sandbox', 2, ['@bureau/ipc-node-ipc']),
      manifest('apps/launcher', 'app', ['@bureau/sandbox']),
      manifest('apps/stand', 'app', []),
      manifest('apps/daemon', 'app', ['@bureau/sandbox']),
    ]),
  );
  assert.deepEqual(found, [
    'a process of root reaches @bureau/ipc-node-ipc: @bureau/app-launcher → @bureau/sandbox → @bureau/ipc-node-ipc',
  ]);
});

test('manifestFindings accepts arrows down and refuses arrows up, cycles, unknown layers', () => {
  assert.deepEqual(problems(manifestFindings(PACKAGES.slice(0, 5))), []);
  assert.match(
    problems(manifestFindings([manifest('packages/core', 0, ['@bureau/ipc']), manifest('packages/ipc', 1)])).join(),
    /layer 0\) must not import @bureau\/ipc \(layer 1\): arrows point down/,
  );
  assert.match(
    problems(manifestFindings([manifest('packages/a', 1, ['@bureau/b']), manifest('packages/b', 1, ['@bureau/a'])])).join(),
    /cycle of packages: @bureau\/a → @bureau\/b → @bureau\/a/,
  );
  assert.match(problems(manifestFindings([{ ...manifest('packages/a', 1), layer: 'top' }])).join(), /"layer" is "top"/);
  assert.match(problems(manifestFindings(PACKAGES)).join(), /integration tests know only/);
  assert.match(
    problems(manifestFindings([...PACKAGES.slice(0, 5), manifest('packages/x', 3, ['@bureau/testkit'])])).join(),
    /only tests may/,
  );
});

test('moduleFindings accepts declared imports and refuses undeclared ones, type-only included', () => {
  assert.deepEqual(
    modulesProblems(
      'packages/ipc/src/a.ts',
      "import { x } from '@bureau/core'; import { y } from './b.ts'; import 'node:net'; import 'msgpackr/x';",
    ),
    [],
  );
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', "import type { X } from '@bureau/proxy';"), [
    "'@bureau/proxy' is not declared",
  ]);
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', "type X = import('undici').Agent;"), ["'undici' is not declared"]);
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', "export * from 'undici';"), ["'undici' is not declared"]);
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', "const x = await import('undici');"), ["'undici' is not declared"]);
});

test('moduleFindings lets only tests import development dependencies and test code', () => {
  assert.deepEqual(
    modulesProblems('packages/ipc/src/a.test.ts', "import fc from 'fast-check'; import '@bureau/testkit'; import './testing/x.ts';"),
    [],
  );
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', "import fc from 'fast-check';"), ["'fast-check' is not declared"]);
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', "import './testing/x.ts';"), ["'./testing/x.ts' is test code"]);
});

test('moduleFindings keeps relative imports inside the package, and Node out of layer 0', () => {
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', "import '../../core/src/index.ts';"), [
    "'../../core/src/index.ts' leaves packages/ipc",
  ]);
  assert.deepEqual(modulesProblems('packages/core/src/a.ts', "import 'node:fs';"), ['layer 0 is pure, it must not import node:fs']);
});

test('moduleFindings lets only main.ts touch environment, arguments and signals', () => {
  const source = "process.env['A'];\nprocess.argv;\nprocess.on('SIGTERM', () => {});\nprocess.pid;\nprocess.on('exit', () => {});";
  assert.deepEqual(modulesProblems('apps/cli/src/main.ts', source), []);
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', source), [
    'process.env is used outside a main.ts',
    'process.argv is used outside a main.ts',
    'process signals is used outside a main.ts',
  ]);
  assert.deepEqual(modulesProblems('packages/ipc/src/a.ts', "import { env } from 'node:process';"), [
    'process.env is used outside a main.ts',
  ]);
});

test('sourceFindings wants a licence line, also after #!', () => {
  const found = (file: string, text: string): string[] => problems(sourceFindings('/srv/checkout', file, Buffer.from(text)));
  const licence = 'SPDX-License-Identifier: Apache-2.0';
  assert.deepEqual(found('packages/a/src/a.ts', `// ${licence}\n`), []);
  assert.deepEqual(found('script/up', `#!/bin/sh\n# ${licence}\n`), []);
  assert.deepEqual(found('packages/a/src/a.ts', 'export {};\n'), ['the licence line is missing']);
  assert.deepEqual(found('script/up', '#!/bin/sh\nset -eu\n'), ['the licence line is missing']);
  assert.deepEqual(found('docs/a.md', '# no licence line in prose\n'), []);
});

test('sourceFindings wants short files', () => {
  const licence = '// SPDX-License-Identifier: Apache-2.0\n';
  const of = (lines: number): Buffer => Buffer.from(licence + '\n'.repeat(lines - 1));
  assert.deepEqual(sourceFindings('/srv/checkout', 'packages/a/src/a.ts', of(350)), []);
  assert.match(problems(sourceFindings('/srv/checkout', 'packages/a/src/a.ts', of(351))).join(), /has 351 lines, at most 350/);
  assert.deepEqual(sourceFindings('/srv/checkout', 'packages/a/src/a.test.ts', of(600)), []);
  assert.match(problems(sourceFindings('/srv/checkout', 'packages/a/src/a.test.ts', of(601))).join(), /has 601 lines/);
});

test('longestFiles lists the longest sources first, with the limit of their kind', () => {
  const lines = longestFiles(ROOT).split('\n');
  assert.equal(lines.length, 10);
  const numbers = lines.map((line) => Number(/^ *(\d+) of (350|600) {2}\S+$/.exec(line)?.[1]));
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => b - a),
  );
});

test('sourceFindings finds tests that are switched off', () => {
  const licence = '// SPDX-License-Identifier: Apache-2.0\n';
  for (const text of [
    `test.${'only'}('x', f);`,
    `describe.${'skip'}('x', f);`,
    `it.${'todo'}('x');`,
    `test('x', { ${'skip'}: true }, f);`,
    `  t.${'skip'}('why');`,
  ]) {
    const found = sourceFindings('/srv/checkout', 'packages/a/src/a.test.ts', Buffer.from(licence + text));
    assert.match(problems(found).join(), /switched off or narrowed/, text);
    assert.equal(found[0]?.line, 2);
  }
  assert.deepEqual(
    sourceFindings('/srv/checkout', 'packages/a/src/a.test.ts', Buffer.from(`${licence}test('skips only blanks', f); list.skip(1);`)),
    [],
  );
});

test('sourceFindings finds paths of this machine', () => {
  const found = (root: string, text: string): string[] => problems(sourceFindings(root, 'docs/a.md', Buffer.from(text)));
  assert.deepEqual(found('/data/joe/bureau', 'see /data/joe/bureau/script/up'), ['names a path of this machine (/data/joe/bureau)']);
  assert.deepEqual(found('/data/joe/bureau', 'see /data/joe/other'), ['names a path of this machine (/data/joe/)']);
  assert.deepEqual(found('/tmp/bureau', 'a file in /tmp/other, /usr/lib/bureau, /tmp/bureau-2'), []);
});

test('lockFindings refuses forbidden packages, other node-ipc, missing integrity, new install scripts', () => {
  const of = (packages: object): string[] => problems(lockFindings('package-lock.json', JSON.stringify({ packages }, null, 2)));
  assert.deepEqual(
    of({
      'node_modules/a': { version: '1.0.0', integrity: 'sha512-x' },
      'packages/b': { version: '1.0.0' },
      'node_modules/b': { link: true },
    }),
    [],
  );
  assert.match(of({ 'node_modules/eslint': { version: '9.0.0', integrity: 'sha512-x' } }).join(), /eslint is forbidden/);
  assert.match(
    of({ 'node_modules/a/node_modules/peacenotwar': { version: '9.1.6', integrity: 'sha512-x' } }).join(),
    /peacenotwar is forbidden/,
  );
  assert.match(of({ 'node_modules/node-ipc': { version: '10.1.1', integrity: 'sha512-x' } }).join(), /node-ipc is 10\.1\.1/);
  assert.match(
    of({ 'node_modules/node-ipc': { version: '14.0.0', integrity: 'sha512-other' } }).join(),
    /only 14\.0\.0 with its known bytes/,
  );
  assert.match(of({ 'node_modules/a': { version: '1.0.0' } }).join(), /a has no integrity/);
  assert.match(
    of({ 'node_modules/a': { version: '1.0.0', integrity: 'sha512-x', hasInstallScript: true } }).join(),
    /a wants to run a script/,
  );
});

test('dependencyFindings wants exact versions and a line for each, and no stale line', () => {
  const of = (version: string, text: string): string[] =>
    problems(dependencyFindings([{ ...manifest('packages/a', 1), dependencies: { x: version } }], text));
  assert.deepEqual(of('1.2.3', '| `x` | 1.2.3 | why |'), []);
  assert.match(of('^1.2.3', '| `x` | ^1.2.3 | why |').join(), /expected an exact version/);
  assert.match(of('1.2.3', '').join(), /x has no line/);
  assert.match(of('1.2.3', '| `x` | 1.2.4 | why |').join(), /x is 1\.2\.4 here and 1\.2\.3/);
  assert.match(of('1.2.3', '| `x` | 1.2.3 | why |\n| `y` | 1.0.0 | why |').join(), /y is described, but no package\.json asks for it/);
});

test('forbiddenFindings refuses network modules and undeclared packages in the launcher', () => {
  const found = forbiddenFindings({
    modules: [],
    builtins: ['node:http', 'node:net', 'node:sqlite'],
    packages: [
      { name: 'undici', version: '1.0.0', integrity: 'x' },
      { name: 'left-pad', version: '1.0.0', integrity: 'x', importedBy: 'packages/a/src/a.ts' },
      { name: 'valibot', version: '1.0.0', integrity: 'x', importedBy: 'packages/a/src/a.ts' },
      { name: '@noble/hashes', version: '1.0.0', integrity: 'x' },
    ],
  });
  assert.deepEqual(
    found.map((finding) => finding.problem.split(':').slice(0, 2).join(':').split(': ')[0]),
    [
      'node:http reaches the launcher',
      'node:sqlite reaches the launcher',
      'undici reaches the launcher',
      'imports left-pad into the launcher',
    ],
  );
});

test('differenceFindings names every line that came or went', () => {
  assert.deepEqual(differenceFindings('a\nb\n', 'a\nb\n'), []);
  assert.deepEqual(problems(differenceFindings('a\nb\n', 'a\nc\n')), [
    'the launcher no longer contains: b',
    'the launcher now contains: c',
  ]);
});

test('types, types-layer-0, lint and format each find their error in a small checkout', async () => {
  const root = mkdtempSync(join(tmpdir(), 'bureau-checks-'));
  try {
    for (const file of ['tsconfig.json', 'tsconfig.layer-0.json', '.oxlintrc.json', '.oxfmtrc.json'])
      copyFileSync(join(ROOT, file), join(root, file));
    for (const folder of ['node_modules', '.toolchain']) symlinkSync(join(ROOT, folder), join(root, folder));
    for (const folder of ['packages/core/src', 'packages/protocol/src', 'apps']) mkdirSync(join(root, folder), { recursive: true });
    const lines = [
      'export const wrong: string = 1;',
      'export const pid = process.pid;',
      'export async function f(): Promise<void> {}',
      'export function g(): void { f(); }',
      'export function h(a: any): boolean { return a == 1; }',
      "export function i(): never { throw 'text'; }",
      "import { two } from './two.ts'; export const one = two;",
    ];
    writeFileSync(join(root, 'packages/core/src/one.ts'), lines.join('\n'));
    writeFileSync(join(root, 'packages/core/src/two.ts'), "import { one } from './one.ts'; export const two: string = String(one);");
    execFileSync('git', ['init', '--quiet'], { cwd: root });
    const run = async (check: Check): Promise<string> => (await check.run({ root, write: false })).map(describeFinding).join('\n');
    assert.match(await run(typesCheck), /one\.ts:1: TS2322/);
    assert.match(await run(pureTypesCheck), /one\.ts:2: TS2591/);
    const lint = await run(lintCheck);
    for (const rule of ['no-floating-promises', 'no-explicit-any', 'eqeqeq', 'only-throw-error', 'no-cycle'])
      assert.ok(lint.includes(rule), `${rule} in ${lint}`);
    assert.match(await run(formatCheck), /one\.ts: is not formatted/);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('runChecks turns a check that throws into a finding, and formatResults shows it', async () => {
  const results = await runChecks([{ name: 'broken', run: () => Promise.reject(new Error('no disk')) }], { root: tmpdir(), write: false });
  assert.match(formatResults(results), /check 'broken' could not run: no disk[^]*check: broken .* 1 to correct/);
});
