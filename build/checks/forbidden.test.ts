// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { forbiddenCheck, forbiddenFindingsIn } from './forbidden.ts';

const SHIPPED = 'packages/a/src/a.ts';

for (const [source, problem] of [
  ["import { exec } from 'node:child_process';", /^exec gives its text to a shell/],
  ["import { spawn, execSync as run } from 'child_process';", /^execSync gives its text/],
  ["child_process.exec('ls');", /^exec gives its text/],
  ["spawn('ls', [], { shell: true });", /^shell: true gives the arguments/],
  ["spawn('ls', [], { 'shell': '/bin/sh' });", /^shell: \/bin\/sh gives/],
  ['connect({ rejectUnauthorized: false });', /trusts every server/],
  ['createServer({ insecureHTTPParser: true });', /two parsers/],
  ['const x = Math.random();', /predictable/],
] as const) {
  test(`forbiddenFindingsIn refuses ${source} everywhere`, () => {
    for (const file of [SHIPPED, 'packages/a/src/a.test.ts', 'build/a.ts', 'apps/cli/src/main.ts']) {
      const found = forbiddenFindingsIn(file, `// first line\n${source}`);
      assert.equal(found.length, 1, file);
      assert.match(found[0]?.problem ?? '', problem);
      assert.equal(found[0]?.line, 2);
    }
  });
}

for (const source of [
  'const x = Date.now();',
  'const now = Date.now;',
  'const x = performance.now();',
  'const x = new Date();',
  'setTimeout(f, WAIT);',
  'setInterval(f, WAIT);',
  "const x = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };",
  "import { setTimeout as sleep } from 'node:timers/promises';",
  'clock.setTimeout(f, 500);',
  'await sleep(clock, 2 * 1_000, signal);',
  'const signal = AbortSignal.timeout(10_000);',
  "client.call('x', {}, { deadlineMilliseconds: 5_000 });",
  "spawn('ls', [], { timeout: 1 });",
  'let count = 0;',
  'export var count = 0;',
  'const seen = new Map<string, number>();',
  'export const list: string[] = [];',
  'logger.info({ token }, "x");',
  "this.log.warn({ 'accessToken': 1 }, 'x');",
]) {
  test(`forbiddenFindingsIn refuses ${source} in what ships, and in nothing else`, () => {
    assert.equal(forbiddenFindingsIn(SHIPPED, source).length, 1);
    for (const file of ['packages/a/src/a.test.ts', 'packages/a/src/testing/a.ts', 'packages/testkit/src/a.ts', 'build/a.ts'])
      assert.deepEqual(forbiddenFindingsIn(file, source), [], file);
  });
}

test('forbiddenFindingsIn accepts what only looks alike', () => {
  const source = [
    "import { execFile, spawn } from 'node:child_process';",
    'PATTERN.exec(text); database.exec(text);',
    "spawn('ls', [], { shell: false }); connect({ rejectUnauthorized: true, insecureHTTPParser: false });",
    'clock.setTimeout(f, WAIT); clock.now(); new Date(0); clearTimeout(x);',
    'export function f(): void { let count = 0; const seen = new Map(); }',
    "const NAMES = new Map([['a', 1]]);",
    "logger.info({ tokenFile, count: 1 }, 'x');",
    'table.info({ token });',
    'const LIMITS = { callMilliseconds: 5_000 }; clock.setTimeout(f, LIMITS.callMilliseconds); child.stop(0);',
    'call({ deadlineMilliseconds: CALL_MILLISECONDS * 2 });',
  ].join('\n');
  assert.deepEqual(forbiddenFindingsIn(SHIPPED, source), []);
});

test('forbiddenCheck finds nothing in this checkout, and no exception that is not needed', async () => {
  assert.deepEqual(await forbiddenCheck.run({ root: join(import.meta.dirname, '../..'), write: false }), []);
});
