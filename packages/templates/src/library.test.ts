// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeFault } from './fault.ts';
import { noTemplate, resolveTemplates, type Resolution, type ResolvedTemplate, type TemplateLibrary } from './library.ts';
import { DEPTH_MAX, LINEAGE_MAX } from './limits.ts';
import { specOf } from './spec.ts';
import { someFields } from './testing.ts';

type Contents = Readonly<Record<string, object>>;

function libraryOf(contents: Contents): TemplateLibrary {
  return resolveTemplates(Object.entries(contents).map(([name, fields]) => [name, { v: 2, description: name, ...fields }]));
}

function good(resolution: Resolution | undefined): ResolvedTemplate {
  assert.ok(resolution?.ok, resolution === undefined ? 'there is none' : JSON.stringify(resolution));
  return resolution.template;
}

function messageOf(library: TemplateLibrary, name: string): string {
  const resolution = library.get(name);
  assert.ok(resolution?.ok === false, `expected ${name} to be wrong`);
  return describeFault(resolution.faults[0]);
}

test('a template is its ancestors, first to last, and then itself', () => {
  const library = libraryOf({
    base: { command: ['base'], environment: { A: 'base', B: 'base', C: 'base' } },
    one: { inherits: ['base'], environment: { B: 'one' }, resources: { pids: 10 } },
    two: { environment: { C: 'two' } },
    child: { inherits: ['one', 'two'], environment: { D: 'child' } },
  });
  const { fields, lineage, depth } = good(library.get('child'));
  assert.deepEqual(fields.environment, { A: 'base', B: 'one', C: 'two', D: 'child' });
  assert.deepEqual([fields.command, fields.resources], [['base'], { pids: 10 }]);
  assert.deepEqual(
    lineage.map(({ name }) => name),
    ['base', 'one', 'two', 'child'],
  );
  assert.equal(depth, 3);
});

test('what two parents share does not come back over what one of them says about it', () => {
  const library = libraryOf({
    base: { environment: { A: 'base' }, profile: 'default' },
    left: { inherits: ['base'], environment: { A: 'left' }, profile: 'strict' },
    right: { inherits: ['base'], environment: { B: 'right' } },
    child: { inherits: ['left', 'right'] },
  });
  const { fields } = good(library.get('child'));
  assert.deepEqual(fields.environment, { A: 'left', B: 'right' });
  assert.equal(fields.profile, 'strict');
});

test('what is wrong says where, and the name that was meant; who inherits it says whom to mend; others go on', () => {
  const library = libraryOf({
    base: {},
    typo: { inherits: ['base', 'bsae'] },
    early: { inherits: ['lat'] },
    late: {},
    far: { inherits: ['nothing-like-it'] },
    below: { inherits: ['base', 'typo'] },
    deeper: { inherits: ['below'] },
    broken: { mounts: [{ type: 'nfs' }] },
    newer: { v: 3 },
  });
  assert.equal(messageOf(library, 'typo'), 'template "typo" is wrong: inherits[1]: there is no template "bsae"; did you mean "base"?');
  assert.match(messageOf(library, 'early'), /did you mean "late"\?$/, 'all names count, whatever their order');
  assert.equal(messageOf(library, 'far'), 'template "far" is wrong: inherits[0]: there is no template "nothing-like-it"');
  const cause = 'it inherits template "typo" is wrong: inherits[1]: there is no template "bsae"; did you mean "base"?';
  assert.equal(messageOf(library, 'below'), `template "below" is wrong: inherits[1]: ${cause}`);
  assert.equal(messageOf(library, 'deeper'), `template "deeper" is wrong: inherits[0]: ${cause}`);
  assert.match(
    messageOf(library, 'broken'),
    /^template "broken" is wrong: mounts\.0\.type: expected "bind", "tmpfs", "device" or "overlay", found "nfs"$/,
  );
  assert.match(messageOf(library, 'newer'), /written by a newer Bureau/);
  good(library.get('base'));
});

test('noTemplate names the known ones and the nearest', () => {
  assert.equal(
    noTemplate('defualt', libraryOf({ default: {}, shell: {} })),
    'there is no template "defualt"; known: default, shell; did you mean "default"?',
  );
  assert.equal(noTemplate('x', libraryOf({})), 'there is no template "x"; known: none');
});

test('a circle makes wrong those that stand on it and those above it, whoever is asked first', () => {
  const library = libraryOf({
    self: { inherits: ['self'] },
    a: { inherits: ['b'] },
    b: { inherits: ['good', 'c'] },
    c: { inherits: ['a'] },
    above: { inherits: ['good', 'c'] },
    good: {},
  });
  assert.match(messageOf(library, 'self'), /it would inherit itself: self → self$/);
  assert.match(messageOf(library, 'a'), /it would inherit itself: a → b → c → a$/);
  assert.match(messageOf(library, 'c'), /it would inherit itself: c → a → b → c$/);
  assert.match(messageOf(library, 'above'), /it inherits templates that inherit themselves: c → a → b → c$/);
  good(library.get('good'));
});

test('chains and crowds have an end', () => {
  const chain = (length: number): Contents =>
    Object.fromEntries(Array.from({ length }, (_, index) => [`t${index}`, index === 0 ? {} : { inherits: [`t${index - 1}`] }]));
  good(libraryOf(chain(DEPTH_MAX)).get(`t${DEPTH_MAX - 1}`));
  assert.match(messageOf(libraryOf(chain(DEPTH_MAX + 1)), `t${DEPTH_MAX}`), /at most 8 templates one below the other/);
  const wide = (groups: number): Contents => ({
    ...Object.fromEntries(
      Array.from({ length: groups }, (_, group) => [
        `g${group}`,
        { inherits: Array.from({ length: 7 }, (__, index) => `leaf${group}-${index}`) },
      ]),
    ),
    ...Object.fromEntries(Array.from({ length: groups * 7 }, (_, index) => [`leaf${Math.floor(index / 7)}-${index % 7}`, {}])),
    top: { inherits: Array.from({ length: groups }, (_, group) => `g${group}`) },
  });
  assert.equal(good(libraryOf(wide(3)).get('top')).lineage.length, 25);
  assert.match(messageOf(libraryOf(wide(4)), 'top'), new RegExp(`at most ${LINEAGE_MAX} templates in all, found 33`));
});

test('inheritance of everything by everything ends soon', () => {
  const names = Array.from({ length: 400 }, (_, index) => `t${index}`);
  const library = libraryOf(
    Object.fromEntries(names.map((name, at) => [name, { inherits: names.slice(Math.max(0, at - 8), at + 1).slice(0, 8) }])),
  );
  assert.equal(library.size, 400);
});

const graph = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1 })
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.tuple(fc.constant(name), someFields, fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'), { maxLength: 3 })),
      ),
    ),
  )
  .map((each) =>
    each.map(
      ([name, fields, inherits]) => [name, { v: 2, description: name, ...fields, ...(inherits.length > 0 ? { inherits } : {}) }] as const,
    ),
  );

test('the same templates give the same library, in whatever order the room has them', () => {
  fc.assert(
    fc.property(graph, fc.nat(), (contents, seed) => {
      const shuffled = contents.toSorted(
        ([one], [other]) => ((one.charCodeAt(0) * (seed + 7)) % 11) - ((other.charCodeAt(0) * (seed + 7)) % 11),
      );
      assert.equal(JSON.stringify([...resolveTemplates(shuffled)]), JSON.stringify([...resolveTemplates(contents)]));
    }),
    { numRuns: 300 },
  );
});

test('mixing in the same again, or what is in already, changes nothing', () => {
  fc.assert(
    fc.property(someFields, someFields, someFields, (base, mixin, child) => {
      const of = (inherits: readonly string[]): unknown => {
        const library = libraryOf({ base, mixin: { inherits: ['base'], ...mixin }, child: { inherits, ...child } });
        return good(library.get('child')).fields;
      };
      const once = JSON.stringify(of(['mixin']));
      for (const again of [
        ['mixin', 'mixin'],
        ['base', 'mixin'],
        ['mixin', 'base'],
      ])
        assert.equal(JSON.stringify(of(again)), once);
    }),
    { numRuns: 300 },
  );
});

test('nothing that a room says makes it throw', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.jsonValue())), (contents) => {
      for (const [, resolution] of resolveTemplates(contents))
        if (!resolution.ok) assert.ok(describeFault(resolution.faults[0]).length > 0);
    }),
  );
});

test('specOf says that a command is missing, and lays the assignment over the template', () => {
  const template = good(libraryOf({ tool: { environment: { A: '1', B: '1' }, payload: { a: 1, b: 1 } } }).get('tool'));
  const without = specOf({ command: [], environment: {} }, template);
  assert.match(without.ok ? '' : without.faults[0].message, /there is no command: template "tool" has none/);
  const result = specOf(
    { command: ['x'], environment: { B: '2' }, payload: { b: 2 }, run: { id: 'a'.repeat(8), terminal: false } },
    template,
  );
  assert.ok(result.ok);
  assert.deepEqual(
    [result.spec.command, result.spec.environment, result.spec.payload, result.spec.terminal],
    [['x'], { A: '1', B: '2' }, { a: 1, b: 2 }, false],
  );
});
