// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { build } from './bundle.ts';
import { buildName } from './inputs.ts';

const ROOT = join(import.meta.dirname, '..');

// Each test has a small checkout: one package, one application, the real native package.
let root = '';

function write(path: string, text: string): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bureau-bundle-'));
  for (const [path, text] of Object.entries({
    'package-lock.json': '{}',
    'packages/core/package.json': '{"name":"@bureau/core","type":"module","exports":"./src/index.ts"}',
    'packages/core/src/index.ts': 'export const answer: number = 42;\nexport const unused: string = "not shipped";\n',
    'packages/core/src/lazy.ts': 'export const late: string = "late";\n',
    'apps/cli/package.json': '{"name":"@bureau/app-cli","type":"module"}',
    'apps/cli/src/main.ts': `import koffi from 'koffi'; import { answer } from '@bureau/core';
      const { late } = await import('../../../packages/core/src/lazy.ts');
      using nothing: Disposable = { [Symbol.dispose]() {} }; void nothing;
      console.log(answer, late, typeof koffi.load, koffi.load(null).func('int getpid()')() === process.pid);`,
  })) {
    write(path, text);
  }
  mkdirSync(join(root, 'apps/cli/node_modules/@bureau'), { recursive: true });
  symlinkSync(join(root, 'packages/core'), join(root, 'apps/cli/node_modules/@bureau/core'));
  mkdirSync(join(root, 'packages/native'));
  symlinkSync(join(ROOT, 'packages/native/node_modules'), join(root, 'packages/native/node_modules'));
  mkdirSync(join(root, '.toolchain/bin'), { recursive: true });
  symlinkSync(process.execPath, join(root, '.toolchain/bin/node'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('build makes a folder that runs alone, native modules and lazy chunks included', async () => {
  const name = await build(root);
  const moved = join(root, 'elsewhere');
  execFileSync('cp', ['--archive', join(root, '.build', name), moved]);
  for (const folder of ['packages', 'apps']) rmSync(join(root, folder), { recursive: true });
  const output = execFileSync(process.execPath, [join(moved, 'lib/cli.js')], { encoding: 'utf8' });
  assert.equal(output, '42 late function true\n');
  const bundle = readFileSync(join(moved, 'lib/cli.js'), 'utf8');
  assert.ok(!bundle.includes('not shipped'));
  assert.deepEqual(readdirSync(join(moved, 'lib')).toSorted(), ['cli', 'cli.js']);
});

test('build does nothing when the build is there, and makes it anew when it is not complete', async () => {
  const name = await build(root);
  const marker = join(root, '.build', name, 'lib/marker');
  writeFileSync(marker, '');
  assert.equal(await build(root), name);
  assert.ok(existsSync(marker));
  rmSync(join(root, '.build', name, '.complete'));
  assert.equal(await build(root), name);
  assert.ok(!existsSync(marker));
});

test('build leaves nothing behind when a source does not resolve, and says which', async () => {
  write('apps/cli/src/main.ts', "import '@bureau/nothing';");
  await assert.rejects(build(root), /apps\/cli: .*'@bureau\/nothing'/);
  assert.deepEqual(readdirSync(join(root, '.build')), []);
});

test('buildName changes with a source, the lock and a path, not with a test', () => {
  const names = new Set([buildName(root)]);
  write('packages/core/src/index.test.ts', 'a test');
  assert.ok(names.has(buildName(root)));
  write('packages/core/src/index.ts', 'export const answer: number = 43;');
  names.add(buildName(root));
  write('package-lock.json', '{"lockfileVersion":3}');
  names.add(buildName(root));
  write('packages/core/src/more.ts', '');
  names.add(buildName(root));
  assert.equal(names.size, 4);
});
