// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anchorsOf, linkFindings, nameFindings } from './links.ts';

const PAGES: ReadonlyMap<string, string> = new Map([
  ['docs/b.md', '# Two words\n\n## Why? `code` & more\n\n## Again\n\n## Again\n'],
  ['docs/adr', ''],
  ['script/up', ''],
]);

function problems(text: string): string[] {
  return linkFindings('docs/a.md', text, (path) => PAGES.get(path)).map(({ line, problem }) => `${line}: ${problem}`);
}

test('linkFindings accepts files, folders, headings, other sites', () => {
  const text = [
    '# Here I am',
    '[a](b.md) [b](b.md#two-words) ![c](../script/up) [d](#here-i-am) [e](adr) [f](https://example.org/x#y) [g](mailto:a@b)',
    '[h][ref] [i](b.md#why-code--more) [j](b.md#again-1 "title") [k](<b.md>)',
    '[ref]: b.md#again',
  ];
  assert.deepEqual(problems(text.join('\n')), []);
});

test('linkFindings finds missing files and headings, with the line', () => {
  assert.deepEqual(problems('\n[a](c.md)'), ["2: 'c.md' leads nowhere: there is no docs/c.md"]);
  assert.deepEqual(problems('[a](b.md#three)'), ["1: docs/b.md has no heading for '#three'"]);
  assert.deepEqual(problems('[a](#nowhere)'), ["1: docs/a.md has no heading for '#nowhere'"]);
  assert.deepEqual(problems('[a](../script/up#line)'), ["1: '../script/up#line' names a place in script/up, which has no headings"]);
  assert.deepEqual(problems('[a](/docs/b.md)'), ["1: '/docs/b.md' is absolute"]);
  assert.deepEqual(problems('[a]: c.md'), ["1: 'c.md' leads nowhere: there is no docs/c.md"]);
  assert.deepEqual(problems('[a](../../outside.md)'), ["1: '../../outside.md' leads nowhere: there is no ../outside.md"]);
});

test('linkFindings reads no links in code', () => {
  assert.deepEqual(problems('```\n[a](c.md)\n```\n`[a](c.md)` ``[a](`c.md)`` \n~~~ts\n[a](c.md)\n~~~\n'), []);
  assert.equal(problems('```\n```\n[a](c.md)').length, 1);
});

test('nameFindings finds files that a page names and that are not there, from the root', () => {
  const text = 'it is `docs/b.md`, `packages/NAME/x.ts` or `docs/a`,\nnot `docs/c.md`; `c.md` is anywhere\n```\n`docs/d.md`\n```';
  const found = nameFindings('docs/a.md', text, (path) => PAGES.get(path));
  assert.deepEqual(
    found.map(({ line, problem }) => `${line}: ${problem}`),
    ['2: there is no docs/c.md'],
  );
});

test('anchorsOf gives what GitHub gives', () => {
  assert.deepEqual(
    [...anchorsOf('# The life of `bureau run probe/one -- CMD`\n## When …\n## [x](y.md) z\n```\n# code\n```\n<a id="own"></a>')],
    ['the-life-of-bureau-run-probeone----cmd', 'when-', 'x-z', 'own'],
  );
});
