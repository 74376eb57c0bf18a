// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentContent, type AssignmentContent } from '@bureau/protocol';
import * as v from 'valibot';
import { buildsOn, effectOf } from './effect.ts';
import { resolveTemplates, type TemplateLibrary } from './library.ts';

function libraryOf(contents: Readonly<Record<string, object>>): TemplateLibrary {
  return resolveTemplates(Object.entries(contents).map(([name, fields]) => [name, { v: 2, description: name, ...fields }]));
}

function assigned(fields: object = {}): AssignmentContent {
  return v.parse(assignmentContent, { v: 1, principal: 'a/b', template: 'child', command: ['x'], ...fields });
}

const BASE = { environment: { A: '1' } };
const CHILD = { inherits: ['base'], payload: { task: 1 } };

test('effectOf says what becomes of an agent when templates change', () => {
  const before = libraryOf({ base: BASE, child: CHILD });
  const cases: readonly [what: string, after: Readonly<Record<string, object>>, assignment: AssignmentContent, effect: string][] = [
    ['nothing', { base: BASE, child: { ...CHILD, description: 'other words' } }, assigned(), 'untouched'],
    ['a parent', { base: { environment: { A: '2' } }, child: CHILD }, assigned(), 'replaced'],
    [
      'what the assignment says itself',
      { base: { environment: { A: '2' } }, child: CHILD },
      assigned({ environment: { A: '9' } }),
      'untouched',
    ],
    ['the payload', { base: BASE, child: { ...CHILD, payload: { task: 2 } } }, assigned(), 'told'],
    [
      'a lock that it does not keep',
      { base: { ...BASE, locked: ['environment.A'] }, child: CHILD },
      assigned({ environment: { A: '9' } }),
      'blocked',
    ],
    ['a template that goes away', { base: BASE }, assigned(), 'blocked'],
    ['a parent that goes away', { child: CHILD }, assigned(), 'blocked'],
    ['one that was missing and is still', { base: BASE, child: CHILD }, assigned({ template: 'none' }), 'untouched'],
  ];
  for (const [what, after, assignment, effect] of cases) assert.equal(effectOf(assignment, before, libraryOf(after)).effect, effect, what);
  assert.deepEqual(effectOf(assigned(), libraryOf({ base: BASE }), before), { effect: 'starts' });
  assert.match(effectOf(assigned(), before, libraryOf({ child: CHILD })).message ?? '', /there is no template "base"/);
});

test('buildsOn knows a template, its children and theirs, before or after a change', () => {
  const [before, after] = [
    libraryOf({ base: {}, child: { inherits: ['base'] } }),
    libraryOf({ base: {}, child: {}, late: { inherits: ['base'] } }),
  ];
  for (const name of ['base', 'child', 'late']) assert.equal(buildsOn(name, 'base', [before, after]), true, name);
  assert.equal(buildsOn('other', 'base', [before, after]), false);
});
