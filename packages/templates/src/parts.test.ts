// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { templateContent, type TemplateContent } from '@bureau/protocol';
import * as v from 'valibot';
import { BUILT_IN_TEMPLATES, builtInState } from './built-in.ts';
import { contentDifferences, layerDifferences } from './differences.ts';
import { resolveTemplates } from './library.ts';
import { originsOf } from './origins.ts';

function content(fields: object): TemplateContent {
  return v.parse(templateContent, { v: 2, description: 'x', ...fields });
}

test('contentDifferences tells the smallest parts, and nothing for the same said otherwise', () => {
  const before = content({ environment: { A: '1', B: '1' }, mounts: [{ type: 'tmpfs', destination: '/a' }], createDirectories: ['/x'] });
  const after = content({
    environment: { B: '2', A: '1' },
    mounts: [{ type: 'tmpfs', destination: '/b' }],
    createDirectories: ['/x', '/y'],
    locked: ['gpu'],
  });
  assert.deepEqual(
    contentDifferences(before, after).map(({ path, before: was, after: now }) => [
      path,
      was === undefined ? '+' : now === undefined ? '-' : '~',
    ]),
    [
      ['environment.B', '~'],
      ['mounts[/a]', '-'],
      ['createDirectories[/y]', '+'],
      ['locked', '+'],
      ['mounts[/b]', '+'],
    ].toSorted((one, other) => ORDER.indexOf(one[0] ?? '') - ORDER.indexOf(other[0] ?? '')),
  );
  const otherwise = content({
    environment: { B: '1', A: '1' },
    mounts: [{ destination: '/a', type: 'tmpfs', size: 64 * 1024 * 1024 }],
    createDirectories: ['/x'],
    v: 2,
  });
  assert.deepEqual(contentDifferences(before, otherwise), [], 'the order of keys, and defaults that are written down');
  assert.deepEqual(
    contentDifferences(undefined, content({})).map(({ path }) => path),
    ['description'],
  );
});
/** Parts of before come first, then those that only after has. */
const ORDER = ['environment.B', 'mounts[/a]', 'locked', 'mounts[/b]', 'createDirectories[/y]'];

test('layerDifferences compares what comes of templates', () => {
  assert.deepEqual(layerDifferences({ gpu: true }, { gpu: false, profile: 'strict' }), [
    { path: 'gpu', before: true, after: false },
    { path: 'profile', after: 'strict' },
  ]);
});

test('originsOf names who says each part, and who locks it', () => {
  const library = resolveTemplates([
    [
      'base',
      {
        v: 2,
        description: 'b',
        environment: { A: '1', B: '1' },
        prependVariables: { PATH: '/base' },
        createDirectories: ['/x'],
        locked: ['resources'],
        resources: { pids: 99 },
      },
    ],
    [
      'child',
      {
        v: 2,
        description: 'c',
        inherits: ['base'],
        environment: { B: '2' },
        prependVariables: { PATH: '/child' },
        createDirectories: ['/x', '/y'],
      },
    ],
  ]);
  const child = library.get('child');
  assert.ok(child?.ok);
  assert.deepEqual(
    originsOf(child.template).map(
      ({ path, from, lockedBy }) => `${path} ${from.join('+')}${lockedBy.map((by) => ` locked by ${by}`).join('')}`,
    ),
    [
      'environment.A base',
      'environment.B child',
      'prependVariables.PATH child+base',
      'createDirectories[/x] base',
      'createDirectories[/y] child',
      'resources.pids base locked by base',
    ],
  );
});

test('built-in templates can be used, stand after their parents, and are known when nobody has changed them', () => {
  const library = resolveTemplates([...BUILT_IN_TEMPLATES].map(([name, { content: each }]) => [name, each] as const));
  const names = [...BUILT_IN_TEMPLATES.keys()];
  for (const [name, resolution] of library) {
    assert.ok(resolution.ok, name);
    for (const { name: ancestor } of resolution.template.lineage)
      assert.ok(names.indexOf(ancestor) <= names.indexOf(name), `${ancestor} before ${name}`);
  }
  const builtIn = { content: { v: 1, description: 'now' }, earlier: [{ v: 1, description: 'then' }] };
  assert.equal(builtInState(builtIn, { description: 'now', v: 1 }), 'current');
  assert.equal(builtInState(builtIn, { v: 1, description: 'then' }), 'earlier');
  assert.equal(builtInState(builtIn, { v: 1, description: 'then', gpu: true }), 'own');
});
