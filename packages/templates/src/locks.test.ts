// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sandboxProfile, type SandboxSpec } from '@bureau/protocol';
import fc from 'fast-check';
import { FIELD_NAMES, TEMPLATE_FIELDS, type FieldName } from './fields.ts';
import { resolveTemplates, type TemplateLibrary } from './library.ts';
import { mountPlace } from './overlay.ts';
import { specOf } from './spec.ts';
import { someFields } from './testing.ts';

const GIB = 2 ** 30;
const BIND = { type: 'bind', source: '/srv/data', destination: '/data', mode: 'rw' };

/** `base` says and locks, `child` inherits it and says more. */
function family(base: object, locked: readonly string[], child: object): TemplateLibrary {
  return resolveTemplates([
    ['base', { v: 2, description: 'base', ...base, locked }],
    ['child', { v: 2, description: 'child', inherits: ['base'], ...child }],
  ]);
}

/** What is wrong with the child, or `undefined`. */
function faultOf(library: TemplateLibrary, name = 'child'): string | undefined {
  const resolution = library.get(name);
  return resolution?.ok === false ? `${resolution.faults[0].path}: ${resolution.faults[0].message}` : undefined;
}

describe('a child of a template that locks', () => {
  const cases: readonly [what: string, base: object, locked: string, tighter: object, looser: object, message: RegExp][] = [
    [
      'memory',
      { resources: { memory: GIB } },
      'resources.memory',
      { resources: { memory: GIB / 2, pids: 9 } },
      { resources: { memory: 2 * GIB } },
      /^resources\.memory: expected 1073741824 or less, which template "base" locks; found 2147483648$/,
    ],
    [
      'all resources',
      { resources: { memory: GIB } },
      'resources',
      { resources: { memory: GIB } },
      { resources: { pids: 10 } },
      /^resources\.pids: expected nothing there, .*"base".*found 10$/,
    ],
    [
      'the profile',
      {},
      'profile',
      { profile: 'strict' },
      { profile: 'debug' },
      /^profile: expected "strict" or "default", .*found "debug"$/,
    ],
    ['the size of scratch', {}, 'scratchSize', { scratchSize: 8_192 }, { scratchSize: GIB }, /^scratchSize: expected 536870912 or less/],
    ['the graphics devices', { gpu: true }, 'gpu', { gpu: false }, {}, /^$/],
    ['no graphics devices', {}, 'gpu', { gpu: false }, { gpu: true }, /^gpu: expected false/],
    [
      'a mount’s mode',
      { mounts: [BIND] },
      'mounts',
      { mounts: [{ ...BIND, mode: 'ro' }] },
      { mounts: [{ ...BIND, source: '/srv' }] },
      /^mounts\[\/data\]/,
    ],
    [
      'a read-only mount',
      { mounts: [{ ...BIND, mode: 'ro' }] },
      'mounts',
      {},
      { mounts: [BIND] },
      /^mounts\[\/data\]: expected .*"mode":"ro".*found .*"mode":"rw"/,
    ],
    ['no mounts', {}, 'mounts', { mounts: [] }, { mounts: [BIND] }, /^mounts\[\/data\]: expected no mount there/],
    [
      'the size of a tmpfs',
      { mounts: [{ type: 'tmpfs', destination: '/t', size: 8_192 }] },
      'mounts',
      { mounts: [{ type: 'tmpfs', destination: '/t', size: 4_096 }] },
      { mounts: [{ type: 'tmpfs', destination: '/t', size: 16_384 }] },
      /^mounts\[\/t\]/,
    ],
    [
      'one variable',
      { environment: { INDEX: 'https://a' } },
      'environment.INDEX',
      { environment: { OTHER: 'x' } },
      { environment: { INDEX: 'https://b' } },
      /^environment\.INDEX: expected "https:\/\/a"/,
    ],
    [
      'a variable that is taken away',
      { environment: { INDEX: 'a' } },
      'environment',
      {},
      { environment: { INDEX: null } },
      /found nothing$/,
    ],
    [
      'a variable by prepending to it',
      { environment: { LD_PATH: '/a' } },
      'environment.LD_PATH',
      { prependVariables: { PATH: '/x' } },
      { prependVariables: { LD_PATH: '/x' } },
      /^prependVariables\.LD_PATH/,
    ],
    [
      'a variable that nobody sets',
      {},
      'environment.LD_PRELOAD',
      { environment: { A: '1' } },
      { environment: { LD_PRELOAD: '/x' } },
      /nothing there/,
    ],
    ['the command', { command: ['tool'] }, 'command', { command: ['tool'] }, { command: ['sh'] }, /^command: expected \["tool"\]/],
    [
      'the root',
      {},
      'root',
      { root: { type: 'host' } },
      { root: { type: 'directory', path: '/srv/r' } },
      /^root: expected \{"type":"host"\}/,
    ],
    ['services', { requiredServices: ['a'] }, 'requiredServices', { requiredServices: ['b'] }, {}, /^$/],
    [
      'directories',
      { createDirectories: ['/a'] },
      'createDirectories',
      { createDirectories: ['/a'] },
      { createDirectories: ['/b'] },
      /^createDirectories/,
    ],
    ['secrets as files', {}, 'secretFiles', {}, { secretFiles: ['TOKEN'] }, /^secretFiles: expected \[\]/],
    [
      'the payload',
      { payload: { task: 1 } },
      'payload.task',
      { payload: { more: 1 } },
      { payload: { task: 2 } },
      /^payload\.task: expected 1/,
    ],
    ['what every object has', {}, 'payload.toString', {}, { payload: { toString: 1 } }, /^payload\.toString: expected nothing there/],
  ];
  for (const [what, base, locked, tighter, looser, message] of cases) {
    test(`${what}: tighter is taken, looser is not`, () => {
      assert.equal(faultOf(family(base, [locked], tighter)), undefined);
      if (message.source !== '^$') assert.match(faultOf(family(base, [locked], looser)) ?? '', message);
      assert.equal(faultOf(family(base, ['isolation'], looser)), undefined, 'control: without the lock it is taken');
    });
  }
});

test('a lock holds for grandchildren, for mix-ins that come later, and for the template that mixes', () => {
  const library = resolveTemplates([
    ['base', { v: 2, description: 'b', profile: 'default', locked: ['profile'] }],
    ['middle', { v: 2, description: 'm', inherits: ['base'] }],
    ['loose', { v: 1, description: 'l', profile: 'debug' }],
    ['strict', { v: 1, description: 's', profile: 'strict' }],
    ['grandchild', { v: 2, description: 'g', inherits: ['middle'], profile: 'debug' }],
    ['mixed', { v: 2, description: 'x', inherits: ['middle', 'loose'] }],
    ['other-way', { v: 2, description: 'y', inherits: ['loose', 'middle'] }],
    ['tight', { v: 2, description: 't', inherits: ['middle', 'strict'], locked: ['profile'] }],
    ['back', { v: 2, description: 'k', inherits: ['tight'], profile: 'default' }],
  ]);
  for (const name of ['grandchild', 'mixed']) assert.match(faultOf(library, name) ?? '', /^profile: .*template "base" locks/, name);
  assert.equal(faultOf(library, 'other-way'), undefined, 'what comes later says "default" again');
  assert.equal(faultOf(library, 'tight'), undefined);
  assert.match(faultOf(library, 'back') ?? '', /template "tight" locks/, 'what a child has tightened and locked stays tight');
});

test('a lock on what cannot be locked makes the template wrong, with the name that was meant', () => {
  for (const [locked, message] of [
    ['resorces', /^locked\[0\]: there is no field "resorces" to lock$/],
    ['mounts.a', /^locked\[0\]: mounts has no entries/],
    ['toString', /there is no field "toString"/],
  ] as const) {
    assert.match(faultOf(family({}, [locked], {}), 'base') ?? '', message);
  }
  const resolution = family({}, ['resorces.memory'], {}).get('base');
  assert.equal(resolution?.ok === false && resolution.faults[0].nearest, 'resources');
});

test('an assignment keeps the locks of its template', () => {
  const library = family(
    { command: ['tool'], environment: { INDEX: 'a' }, payload: { kind: 'x' } },
    ['command', 'environment.INDEX', 'payload'],
    {},
  );
  const child = library.get('child');
  assert.ok(child?.ok);
  const spec = (assigned: object): ReturnType<typeof specOf> => specOf({ command: [], environment: {}, ...assigned }, child.template);
  assert.ok(spec({}).ok);
  assert.ok(spec({ command: ['tool'], environment: { MORE: '1' }, payload: { kind: 'x' } }).ok);
  for (const [assigned, path] of [
    [{ command: ['sh'] }, 'command'],
    [{ environment: { INDEX: 'b' } }, 'environment.INDEX'],
    [{ payload: { kind: 'y' } }, 'payload.kind'],
    [{ payload: { more: 1 } }, 'payload.more'],
  ] as const) {
    const result = spec(assigned);
    assert.ok(!result.ok);
    assert.deepEqual([result.faults[0].path, result.faults[0].lockedBy], [path, 'base']);
  }
});

// An oracle of its own, on what a sandbox gets: it knows nothing of the table.
const HELD: Readonly<Record<string, (was: SandboxSpec, now: SandboxSpec) => boolean>> = {
  profile: (was, now) => sandboxProfile.options.indexOf(now.profile) <= sandboxProfile.options.indexOf(was.profile),
  scratchSize: (was, now) => now.scratchSize <= was.scratchSize,
  gpu: (was, now) => was.gpu === true || now.gpu !== true,
  resources: (was, now) =>
    Object.entries(now.resources ?? {}).every(([name, value]) => {
      const before = was.resources?.[name as 'pids'];
      return before !== undefined && (value ?? 0) <= before;
    }) && Object.keys(was.resources ?? {}).every((name) => Object.hasOwn(now.resources ?? {}, name)),
  requiredServices: (was, now) => (was.requiredServices ?? []).every((each) => now.requiredServices?.includes(each)),
  mounts: (was, now) =>
    now.mounts.length === was.mounts.length &&
    now.mounts.every((mount) => {
      // Their order says nothing: no destination of a spec may lie below another.
      const before = was.mounts.find((each) => mountPlace(each) === mountPlace(mount));
      if (mount.type === 'bind' && before?.type === 'bind')
        return mount.source === before.source && mount.destination === before.destination && (mount.mode === 'ro' || before.mode === 'rw');
      if (mount.type === 'tmpfs' && before?.type === 'tmpfs') return mount.destination === before.destination && mount.size <= before.size;
      return JSON.stringify(mount) === JSON.stringify(before);
    }),
};
const unchanged =
  (field: FieldName) =>
  (was: SandboxSpec, now: SandboxSpec): boolean =>
    sorted(was[field as 'roles'] ?? TEMPLATE_FIELDS[field].absent ?? {}) ===
    sorted(now[field as 'roles'] ?? TEMPLATE_FIELDS[field].absent ?? {});

function sorted(value: object): string {
  return JSON.stringify(Array.isArray(value) ? value : Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

test('whatever a child, a mix-in and an assignment say: what runs is never looser than an ancestor’s lock', () => {
  let taken = 0;
  fc.assert(
    fc.property(
      someFields,
      fc.subarray([...FIELD_NAMES], { minLength: 1, maxLength: 3 }),
      fc.subarray([...FIELD_NAMES], { maxLength: 4 }),
      someFields,
      someFields,
      fc.boolean(),
      (base, locked, touched, mixin, child, mixinLast) => {
        const only = (fields: Readonly<Record<string, unknown>>): object =>
          Object.fromEntries(Object.entries(fields).filter(([name]) => touched.includes(name as FieldName)));
        const library = resolveTemplates([
          ['base', { v: 2, description: 'b', ...base, command: base.command ?? ['x'], locked }],
          ['mixin', { v: 2, description: 'm', ...only(mixin) }],
          ['child', { v: 2, description: 'c', inherits: mixinLast ? ['base', 'mixin'] : ['mixin', 'base'], ...only(child) }],
        ]);
        const [was, now] = ['base', 'child'].map((name) => library.get(name));
        assert.ok(was?.ok);
        if (now?.ok !== true) return;
        const before = specOf({ command: [], environment: {} }, was.template);
        const after = specOf({ command: [], environment: {} }, now.template);
        if (!before.ok || !after.ok) return;
        taken += 1;
        for (const field of locked) {
          assert.ok((HELD[field] ?? unchanged(field))(before.spec, after.spec), field);
        }
      },
    ),
    { numRuns: 1_500 },
  );
  assert.ok(taken > 100, `control: most would prove nothing if none were taken; ${taken} were`);
});
