// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchGlob } from '@bureau/core';
import fc from 'fast-check';
import { refusalOf } from './path-rules.ts';

const rule = (paths?: string[]): never => ({ url: 'https://x', inject: [], ...(paths === undefined ? {} : { paths }) }) as never;

test('refusalOf lets plain paths and harmless escapes through, also without rules', () => {
  for (const path of [
    '/',
    '/a',
    '/a/b/',
    '/a%20b',
    '/!room:test.local/x',
    '/a%2Fb%3Ac',
    '/a//b',
    '/a;b=c',
    '/~user/@x',
    '/a..b',
    '/a...',
    '/%E1%88%B4',
  ])
    assert.equal(refusalOf(rule(), 'GET', path), undefined, path);
  assert.equal(refusalOf(rule(['/repos/*/issues/**']), 'GET', '/repos/my%20repo/issues/1'), undefined);
  assert.equal(refusalOf(rule(['/projects/group%2Fproject']), 'GET', '/projects/group%2Fproject'), undefined);
  assert.equal(refusalOf(rule(['/a/**']), 'GET', '/a/b%2Fc'), undefined, 'every reading is allowed');
});

test('refusalOf: a rule that some server reads around refuses', () => {
  for (const path of ['/a/b%2Fc', '/a/b%2fc', '/a/b%252fc', '/a/%62%2f', '/a/x%5cy', '/a/;b', `/a/%${'25'.repeat(500)}41`])
    assert.equal(refusalOf(rule(['/a/*']), 'GET', path)?.code, 'upstream_path_ambiguous', path);
});

/** As whoever decodes bytes, whatever they are: an escape may be no UTF-8. */
function decodedBytes(path: string): string {
  return path.replaceAll(/%([0-9a-f]{2})/gi, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

test('refusalOf: whatever the URL parser of the WHATWG makes of an allowed path, it is allowed too', () => {
  const piece = fc.constantFrom(
    'a',
    'secret',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '%252e',
    '/',
    '//',
    '\\',
    '%2f',
    '%5c',
    ';',
    ';x=1',
    '%00',
    '%',
    '%41',
    '?',
    '#',
    '\t',
    ' ',
    'é',
  );
  const paths = ['/a/*', '/a/a/*'];
  let allowed = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const path = `/a/${pieces.join('')}`;
      if (path.includes('?') || refusalOf(rule(paths), 'GET', path) !== undefined) return;
      allowed += 1;
      const read = new URL(`http://h${path}`).pathname;
      assert.equal(read, path, 'it stays what it is');
      for (const reading of [read, decodedBytes(read), read.replaceAll(/\/+/g, '/')])
        assert.ok(
          paths.some((pattern) => matchGlob(pattern, reading)),
          `${path} → ${reading}`,
        );
    }),
    { numRuns: 3_000 },
  );
  assert.ok(allowed > 10, `${allowed} were allowed`);
});
