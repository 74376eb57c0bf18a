// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

/** Runs build/test.ts on a checkout that is made of `files`; a process of its own, as node:test does not nest. */
function runOn(files: Readonly<Record<string, string>>, ...args: string[]): { code: number | null; out: string; err: string } {
  const root = mkdtempSync(join(tmpdir(), 'bureau-test-'));
  try {
    for (const folder of ['packages', 'apps', 'build', 'integration']) mkdirSync(join(root, folder));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), `import { test, describe } from 'node:test';\nvoid describe; void test;\n${text}`);
    }
    const program = `import { runTests } from ${JSON.stringify(join(import.meta.dirname, 'test.ts'))};
      process.exitCode = await runTests(${JSON.stringify(root)}, ${JSON.stringify(args)});`;
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    writeFileSync(join(root, 'run.mjs'), program);
    const result = spawnSync(process.execPath, [join(root, 'run.mjs')], { encoding: 'utf8', env });
    return { code: result.status, out: result.stdout, err: result.stderr };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const PASSES =
  "test('one', () => {}); describe('group', () => { test('two', () => {}); test('three', async (t) => { await t.test('four', () => {}); }); });";

test('runTests counts tests, not groups, and ends with a plain line', () => {
  const { code, out } = runOn({ 'packages/a/src/a.test.ts': PASSES, 'integration/b.test.ts': "test('x', () => {});" });
  assert.match(out, /\nin 2 files, [\d.]+ s\n5 passed, 0 failed\n$/);
  assert.match(out, /ℹ tests 5\nℹ pass 5\nℹ fail 0\n/);
  assert.equal(code, 0);
});

test('runTests fails with file, line and reason of a failing test', () => {
  const { code, out } = runOn({ 'packages/a/src/a.test.ts': `${PASSES}\ntest('breaks', () => { throw new Error('the reason'); });` });
  assert.match(out, /packages\/a\/src\/a\.test\.ts:4: breaks\n\s+Error: the reason/);
  assert.match(out, /\n4 passed, 1 failed/);
  assert.equal(code, 1);
});

test('runTests reports a failing subtest at once and at the end, not as its parent too, and counts the parent as failed', () => {
  const { out } = runOn({
    'packages/a/src/a.test.ts': "test('parent', async (t) => { await t.test('child', () => { throw new Error('no'); }); });",
  });
  assert.equal(out.split('Error: no').length - 1, 2);
  assert.match(out, /\n0 passed, 2 failed/);
});

for (const [kind, text] of [
  ['skipped by option', `test('x', { ${'skip'}: true }, () => {});`],
  ['skipped from within', `test('x', (t) => { t.${'skip'}(); });`],
  ['marked todo', `test('x', { ${'todo'}: true }, () => {});`],
] as const) {
  test(`runTests fails on a test that is ${kind}`, () => {
    const { code, out } = runOn({ 'packages/a/src/a.test.ts': `${PASSES}\n${text}` });
    assert.match(out, /\n4 passed, 1 failed/);
    assert.equal(code, 1);
  });
}

test('runTests fails on a file without a test', () => {
  const { code, out } = runOn({ 'packages/a/src/a.test.ts': PASSES, 'packages/a/src/empty.test.ts': '' });
  assert.match(out, /empty\.test\.ts: packages\/a\/src\/empty\.test\.ts\n\s+no test ran in this file/);
  assert.match(out, /\n4 passed, 1 failed/);
  assert.equal(code, 1);
});

test('runTests knows the tests of a file that are written in another one', () => {
  const files = {
    'packages/a/src/suite.ts': "export function suite(): void { test('from afar', () => {}); }",
    'packages/a/src/a.test.ts': "const { suite } = await import('./suite.ts'); suite();",
  };
  const { code, out } = runOn(files);
  assert.match(out, /\n1 passed, 0 failed/);
  assert.equal(code, 0);
});

test('runTests fails on a file that crashes when it is loaded, and says why', () => {
  const { code, out, err } = runOn({ 'packages/a/src/a.test.ts': "throw new Error('broken at load');" });
  assert.match(out + err, /broken at load/);
  assert.match(out, /\n0 passed, 1 failed/);
  assert.equal(code, 1);
});

test('runTests fails on a file that ends the process early', () => {
  const { code } = runOn({ 'packages/a/src/a.test.ts': "test('x', () => { process.exit(0); }); test('never', () => {});" });
  assert.equal(code, 1);
});

test('runTests --json prints one object on stdout', () => {
  const { out } = runOn({ 'apps/a/src/a.test.ts': PASSES }, '--json');
  const result = JSON.parse(out) as { passed: number; failed: number };
  assert.deepEqual([result.passed, result.failed], [4, 0]);
});

test('runTests --each says how each test ended, a failure at once', () => {
  const breaks = "test('breaks', () => { throw new Error('the reason'); }); test('goes on', () => {});";
  const { out } = runOn({ 'packages/a/src/a.test.ts': `${PASSES}\n${breaks}` }, '--each');
  assert.match(out, /^ {2}passed +[\d.]+ s {2}one\n/);
  assert.doesNotMatch(out, /s {2}group/);
  assert.match(
    out,
    /FAILED +[\d.]+ s {2}breaks\npackages\/a\/src\/a\.test\.ts:4: breaks\n +Error: the reason[^]*?\n {2}passed +[\d.]+ s {2}goes on\n/,
  );
});

test('runTests selects by kind, package and path, and suggests a near name', () => {
  const files = { 'packages/ipc/src/a.test.ts': PASSES, 'integration/b.test.ts': "test('x', () => {});" };
  assert.match(runOn(files, 'unit').out, /\n4 passed/);
  assert.match(runOn(files, 'integration').out, /\n1 passed/);
  assert.match(runOn(files, 'ipc', 'integration').out, /\n5 passed/);
  assert.match(runOn(files, 'src/a.test.ts').out, /\n4 passed/);
  const { code, err } = runOn(files, 'ipx');
  assert.match(err, /no suite 'ipx'; did you mean 'ipc'/);
  assert.equal(code, 2);
});

test('runTests knows the folders of integration/ as suites, and counts the attacks and controls of the escape suite', () => {
  const escape =
    "test('attack: a', () => {}); test('attack: b', () => { throw new Error('x'); }); test('control: a', () => {}); test('other', () => {});";
  const files = { 'integration/escape/a.test.ts': escape, 'integration/b.test.ts': PASSES };
  const { out, code } = runOn(files, 'escape');
  assert.match(out, /\n2 attacks, 1 refused, 1 of 1 controls that succeeded\n/);
  assert.match(out, /\n3 passed, 1 failed\n/);
  assert.equal(code, 1);
  assert.doesNotMatch(runOn(files, 'integration/b.test.ts').out, /attacks/);
});

test('runTests takes integration/proxy-x for proxy as well, and integration/soak only by its name', () => {
  const files = { 'packages/proxy/src/a.test.ts': PASSES, 'integration/proxy-x/a.test.ts': PASSES, 'integration/soak/a.test.ts': PASSES };
  assert.match(runOn(files, 'proxy').out, /in 2 files/);
  assert.match(runOn(files, 'proxy-x').out, /in 1 files/);
  assert.match(runOn(files).out, /in 2 files/);
  assert.match(runOn(files, 'soak').out, /in 1 files/);
});

test('runTests takes NAME.arm64.test.ts by its name, and with no other suite of its package', () => {
  const files = { 'packages/a/src/a.test.ts': PASSES, 'packages/a/src/a.arm64.test.ts': PASSES };
  for (const suite of [[], ['unit'], ['a'], ['packages/a/']]) assert.match(runOn(files, ...suite).out, /in 1 files/, suite[0]);
  for (const suite of ['arm64', 'deep', 'a.arm64.test.ts'])
    assert.match(runOn(files, suite).out, /a\.arm64\.test\.ts\n.*in 1 files/s, suite);
});

test('runTests --name=PATTERN runs the tests of that name only, and fails where there is none', () => {
  const files = { 'packages/a/src/a.test.ts': `${PASSES}\ntest('breaks', () => { throw new Error('the reason'); });` };
  const { code, out } = runOn(files, '--name=^(one|two)$');
  assert.match(out, /\n2 passed, 0 failed\n$/);
  assert.equal(code, 0);
  assert.equal(runOn(files, '--name=nobody').code, 1);
});

test('runTests refuses an unknown option', () => {
  assert.equal(runOn({}, '--watch').code, 2);
});
