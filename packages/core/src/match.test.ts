// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GLOB_MAX_LENGTH, matchGlob, matchSegments, parseGlob } from './match.ts';

const table: readonly [pattern: string, name: string, fits: boolean][] = [
  ['iree/amdgpu/pm', 'iree/amdgpu/pm', true],
  ['iree/amdgpu/pm', 'iree/amdgpu/pm2', false],
  ['iree/amdgpu', 'iree/amdgpu/pm', false],
  ['iree/amdgpu/pm', 'iree/amdgpu', false],
  ['*', 'iree', true],
  ['*', 'iree/pm', false],
  ['*', '', false],
  ['iree/*', 'iree/pm', true],
  ['iree/*', 'iree', false],
  ['iree/*', 'iree/', false],
  ['iree/*', 'iree/amdgpu/pm', false],
  ['*/pm', 'iree/pm', true],
  ['**', 'iree', true],
  ['**', 'iree/amdgpu/pm', true],
  ['iree/**', 'iree', true],
  ['iree/**', 'iree/amdgpu/pm', true],
  ['iree/**', 'ireeX/amdgpu', false],
  ['iree/**', 'x/iree/y', false],
  ['**/pm', 'pm', true],
  ['**/pm', 'iree/amdgpu/pm', true],
  ['**/pm', 'iree/pm/x', false],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['a/**/b', 'a/x/b/y', false],
  ['a/**/b/**/c', 'a/b/x/b/c', true],
  ['**/a/*/b', 'a/a/x/b', true],
  ['**/**', 'a', true],
  ['**/*', 'a', true],
  ['**/*/**', 'a', true],
  ['*/**/*', 'a', false],
  // Glued to text it is text, which no name has.
  ['iree/pm*', 'iree/pm1', false],
  ['iree/**x', 'iree/a/x', false],
  ['iree/pm*', 'iree/pm*', true],
  // Nothing is a regular expression.
  ['i.ee', 'iree', false],
  ['[a-z]', 'a', false],
  ['?', 'a', false],
  ['', 'a', false],
];

for (const [pattern, name, fits] of table) {
  test(`matchGlob ${JSON.stringify(pattern)} ${fits ? 'fits' : 'does not fit'} ${JSON.stringify(name)}`, () => {
    assert.equal(matchGlob(pattern, name), fits);
  });
}

/** As the words say it, in exponential time. */
function oracle(pattern: readonly string[], name: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return name.length === 0;
  if (first === '**') return oracle(rest, name) || (name.length > 0 && oracle(pattern, name.slice(1)));
  const [part, ...parts] = name;
  return part !== undefined && (first === '*' ? part !== '' : first === part) && oracle(rest, parts);
}

test('matchSegments agrees with the recursive oracle', () => {
  const segment = fc.constantFrom('a', 'b', 'c', '');
  const wild = fc.constantFrom('a', 'b', 'c', '', '*', '**', '**');
  fc.assert(
    fc.property(fc.array(wild, { maxLength: 8 }), fc.array(segment, { maxLength: 8 }), (pattern, name) => {
      assert.equal(matchSegments(pattern, name), oracle(pattern, name));
    }),
    { numRuns: 5_000 },
  );
});

function steps(pattern: string, name: string): number {
  let count = 0;
  matchSegments(pattern.split('/'), name.split('/'), () => {
    count += 1;
  });
  return count;
}

test('matchSegments takes linear time on hostile patterns', () => {
  const name = `${'b/'.repeat(5_000)}b`;
  assert.ok(steps(`${'**/'.repeat(5_000)}a`, name) <= 20_010);
  assert.ok(steps(`${'**/*/'.repeat(2_000)}a`, name) <= 30_010);
  assert.ok(steps(`${'**/b/'.repeat(2_000)}a`, name) <= 30_010);
});

test('matchSegments stays below its documented bound', () => {
  const wild = fc.constantFrom('a', 'b', '*', '**');
  const segment = fc.constantFrom('a', 'b');
  fc.assert(
    fc.property(fc.array(wild, { maxLength: 40 }), fc.array(segment, { maxLength: 60 }), (pattern, name) => {
      const longest = Math.max(
        ...pattern
          .join('/')
          .split('**')
          .map((run) => run.split('/').filter((part) => part !== '').length),
      );
      const bound = (name.length + 1) * (longest + 1) + pattern.length;
      const taken = steps(pattern.join('/'), name.join('/'));
      assert.ok(taken <= bound, `${taken} steps, bound ${bound}`);
    }),
  );
});

test('parseGlob takes what matchGlob can fit to a name', () => {
  for (const text of ['**', '*', 'iree/**', '**/pm', 'a/*/b', 'iree/amdgpu/pm']) assert.equal(parseGlob(text), text);
});

test('parseGlob refuses what would silently fit nothing', () => {
  for (const text of ['', 'a//b', '/a', 'a/', 'pm*', '**x', 'a/.b', 'A', 'a/***', '../a', 'a\0', 'a'.repeat(GLOB_MAX_LENGTH + 1)]) {
    assert.throws(() => parseGlob(text), { code: 'invalid_glob' }, text);
  }
});
