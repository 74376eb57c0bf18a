// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchPath } from './path-pattern.ts';

test('matchPath: stars stand for whole segments, a last ** for the rest, nothing else for anything but itself', () => {
  const cases: readonly [pattern: string, path: string, stars: readonly string[] | undefined][] = [
    ['/repos/*/*/pulls', '/repos/iree/amdgpu/pulls', ['iree', 'amdgpu']],
    ['/repos/*/*/pulls', '/repos/iree/amdgpu/pulls/', ['iree', 'amdgpu']],
    ['/repos/*/*/pulls', '/repos/iree/amdgpu/pulls/7', undefined],
    ['/repos/*/*/pulls', '/repos/iree/pulls', undefined],
    ['/repos/*/*/pulls', '/repos//amdgpu/pulls', undefined],
    ['/repos/**', '/repos/a/b%20c/d', ['a/b c/d']],
    ['/repos/**', '/repos', ['']],
    ['/repos/**', '/other/a', undefined],
    ['/', '/', []],
    ['/', '/a', undefined],
    ['/a.b', '/aXb', undefined],
    ['/a', '/%61', []],
    ['/*', '/a%2Fb', ['a/b']],
    ['/*', '/%ff', ['%ff']],
  ];
  for (const [pattern, path, stars] of cases) assert.deepEqual(matchPath(pattern, path), stars, `${pattern} ${path}`);
});

test('matchPath takes time by the length of the path and no more', () => {
  const path = `/${'a/'.repeat(8_000)}`;
  const started = performance.now();
  for (let times = 0; times < 50; times += 1) assert.equal(matchPath(`${'/*'.repeat(200)}/b`, path), undefined);
  assert.ok(performance.now() - started < 2_000);
});
