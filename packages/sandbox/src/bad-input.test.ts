// SPDX-License-Identifier: Apache-2.0
// Every field of a spec against every kind of bad value: refused with the field's name and a reason, or inert.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError, parsePrincipalName } from '@bureau/core';
import { sandboxSpec, type SandboxSpec } from '@bureau/protocol';
import * as v from 'valibot';
import { bwrapOptions } from './bwrap-arguments.ts';
import { defaultPolicy, type LauncherPolicy } from './policy-file.ts';
import { demand, judgeSpec } from './policy.ts';
import { expandSpec } from './spec-variables.ts';

/** What a field holds: `path`, `name` and `choice` admit nothing of what follows; `text` all but NUL, as it is. */
type Kind = 'path' | 'name' | 'choice' | 'text';

interface Field {
  /** As errors name it. */
  readonly path: string;
  readonly kind: Kind;
  readonly put: (value: unknown) => object;
}

const mount = (path: string, fields: (value: unknown) => object): Field => ({
  path: `mounts.0.${path}`,
  kind: path === 'upper.kept' ? 'name' : /source|destination|lower/.test(path) ? 'path' : 'choice',
  put: (value) => ({ mounts: [fields(value)] }),
});
const bind = { type: 'bind', source: '/srv/a', destination: '/a' };
const overlay = { type: 'overlay', lower: '/srv/a', destination: '/a' };
const top = (path: string, kind: Kind): Field => ({ path, kind, put: (value) => ({ [path]: value }) });

const FIELDS: readonly Field[] = [
  top('v', 'choice'),
  { path: 'command.0', kind: 'text', put: (value) => ({ command: [value] }) },
  { path: 'environment.A', kind: 'text', put: (value) => ({ environment: { A: value } }) },
  { path: 'environment', kind: 'name', put: (value) => ({ environment: typeof value === 'string' ? { [value]: '1' } : value }) },
  { path: 'prependVariables.A', kind: 'text', put: (value) => ({ prependVariables: { A: value } }) },
  { path: 'prependVariables', kind: 'name', put: (value) => ({ prependVariables: typeof value === 'string' ? { [value]: '1' } : value }) },
  mount('source', (value) => ({ ...bind, source: value })),
  mount('destination', (value) => ({ ...bind, destination: value })),
  mount('mode', (value) => ({ ...bind, mode: value })),
  mount('optional', (value) => ({ ...bind, optional: value })),
  mount('glob', (value) => ({ ...bind, glob: value })),
  mount('type', (value) => ({ ...bind, type: value })),
  mount('destination', (value) => ({ type: 'tmpfs', destination: value })),
  mount('size', (value) => ({ type: 'tmpfs', destination: '/a', size: value })),
  mount('source', (value) => ({ type: 'device', source: value })),
  mount('lower', (value) => ({ ...overlay, lower: value })),
  mount('destination', (value) => ({ ...overlay, destination: value })),
  mount('upper', (value) => ({ ...overlay, upper: value })),
  mount('upper.kept', (value) => ({ ...overlay, upper: { kept: value } })),
  { path: 'createDirectories.0', kind: 'path', put: (value) => ({ createDirectories: [value] }) },
  top('directory', 'path'),
  top('terminal', 'choice'),
  top('scratchSize', 'choice'),
  top('scratch', 'choice'),
  { path: 'root.type', kind: 'choice', put: (value) => ({ root: { type: value, path: '/srv/root' } }) },
  { path: 'root.path', kind: 'path', put: (value) => ({ root: { type: 'directory', path: value } }) },
  { path: 'root.environment', kind: 'path', put: (value) => ({ root: { type: 'nix', environment: value } }) },
  top('gpu', 'choice'),
  ...['user', 'pid', 'net', 'ipc', 'uts', 'cgroup'].map((name): Field => ({
    path: `namespaces.${name}`,
    kind: 'choice',
    put: (value) => ({ namespaces: { [name]: value } }),
  })),
  top('isolation', 'choice'),
  { path: 'roles', kind: 'name', put: (value) => ({ roles: typeof value === 'string' ? { [value]: ['x'] } : value }) },
  { path: 'roles.main.0', kind: 'text', put: (value) => ({ roles: { main: [value] } }) },
  { path: 'secretFiles.0', kind: 'name', put: (value) => ({ secretFiles: [value] }) },
  { path: 'requiredServices.0', kind: 'name', put: (value) => ({ requiredServices: [value] }) },
  top('profile', 'choice'),
  ...['memory', 'pids', 'cpuWeight', 'cpuQuota', 'ioWeight', 'openFiles', 'fileSize'].map((name): Field => ({
    path: `resources.${name}`,
    kind: 'choice',
    put: (value) => ({ resources: { [name]: value } }),
  })),
];

/** Objects, whose other values are theirs to judge; here only that they are objects. */
const OBJECTS: readonly string[] = ['payload', 'trigger'];

const TYPES: readonly unknown[] = [null, 1.5, -1, Number.NaN, [], [[]], { x: 1 }, new Uint8Array(1), 2n];
const TEXTS: readonly string[] = [
  '..',
  '/a/../b',
  '/..',
  '/a/./b',
  '/a\0/b',
  'a\0--bind\0/\0/x',
  '/a\n/b',
  'a\n--bind / /x',
  '--bind',
  '--',
  '--share-net',
  '/a//b',
  '/',
  '',
  `/${'a'.repeat(5_000)}`,
  'a'.repeat(5_000),
  '/a\u202eb',
  '\u202eab',
  '/a\u200bb',
  '/a\ufeffb',
  '/a\u2066b',
  '/a\ud800b',
  '$(id)',
];
const VARIABLES: readonly string[] = ['${HOME}', '/a/${PATH}', '/a/${NODE_OPTIONS}', '${', '/x${PROJECT}', '${MACHINE_NAME'];

const POLICY: LauncherPolicy = {
  ...defaultPolicy(),
  binds: [{ source: '/srv', mode: 'rw' }],
  roots: ['/srv/root'],
  profiles: ['strict', 'default', 'debug'],
};

/** The way of a spec through the launcher, but for its looks at files: bwrap's arguments, or the names of the fields that are refused. */
function judge(input: object): { readonly words: string[] } | { readonly fields: string[]; readonly reason: string } {
  const parsed = v.safeParse(sandboxSpec, { v: 1, command: ['agent'], ...input });
  if (!parsed.success) {
    return {
      fields: parsed.issues.map((issue) => v.getDotPath(issue) ?? ''),
      reason: parsed.issues.map(({ message }) => message).join('; '),
    };
  }
  try {
    const spec = expandSpec(parsed.output, { MACHINE_NAME: 'machine/x' });
    demand(judgeSpec(spec, POLICY, {}, parsed.output));
    const { options, command } = argumentsOf(spec);
    return { words: [...options, ...command] };
  } catch (error) {
    assert.ok(error instanceof BureauError, String(error));
    const named =
      /(?:environment|mounts|createDirectories|directory|prependVariables|root|command|gpu)[\w.[\]]*/.exec(error.message)?.[0] ?? '';
    return { fields: [named.replaceAll(/\[(\d+)\]/g, '.$1')], reason: error.message };
  }
}

function argumentsOf(spec: SandboxSpec): { options: string[]; command: string[] } {
  const principal = parsePrincipalName('iree/pm');
  return bwrapOptions({
    spec,
    principal,
    mounts: [],
    uid: 200_022,
    gid: 200_022,
    agentDirectory: '/run/bureau/.p/3/agent',
    toolsDirectory: '/usr/lib/bureau/build/inside',
    workspaceDirectory: '/var/lib/bureau/workspace/iree',
    rootFilesDirectory: '/run/bureau/.p/3/root',
    hostEtcDirectory: '/run/bureau/.etc/1',
    hostname: 'iree-pm',
    host: { rootEntries: [], readOnlyProc: [], maskedProc: [] },
  });
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
}

function assertRefused(field: Field, value: unknown): void {
  const answer = judge(field.put(value));
  assert.ok('fields' in answer, `${field.path} = ${show(value)} was not refused`);
  const near = answer.fields.some((name) => name.startsWith(field.path) || field.path.startsWith(name));
  assert.ok(
    near && answer.fields.every((name) => name !== ''),
    `${field.path} = ${show(value)}: ${answer.fields.join(', ')}: ${answer.reason}`,
  );
  assert.ok(answer.reason.length > 10, answer.reason);
}

for (const field of FIELDS) {
  test(`bad values of ${field.path} are refused with its name, or inert`, () => {
    for (const value of TYPES) assertRefused(field, value);
    for (const value of [...TEXTS, ...VARIABLES]) {
      const variable = VARIABLES.includes(value);
      if (field.kind !== 'text' || value.includes('\0')) {
        assertRefused(field, value);
      } else if (variable && !/^(command|roles)/.test(field.path)) {
        assertRefused(field, value);
      } else {
        const answer = judge(field.put(value));
        assert.ok('words' in answer, `${field.path} = ${show(value)}: ${'reason' in answer ? answer.reason : ''}`);
        const plain = judge(field.put('x'));
        assert.ok('words' in plain);
        assert.equal(answer.words.length, plain.words.length, `${field.path} = ${show(value)} changed how many words bubblewrap gets`);
        const changed = answer.words.filter((word, at) => word !== plain.words[at]);
        assert.deepEqual(changed, field.path.startsWith('roles') ? [] : [value], 'in one word, and there as it is');
      }
    }
  });
}

test('keys that nobody knows are refused at every level', () => {
  for (const [input, path] of [
    [{ unknown: 1 }, 'unknown'],
    [{ security: { newSession: false } }, 'security'],
    [{ mounts: [{ ...bind, options: 'size=1' }] }, 'mounts.0.options'],
    [{ mounts: [{ ...overlay, upper: { kept: 'a', path: '/x' } }] }, 'mounts.0.upper'],
    [{ root: { type: 'host', path: '/' } }, 'root.path'],
    [{ namespaces: { time: true } }, 'namespaces.time'],
    [{ resources: { cpus: 1 } }, 'resources.cpus'],
  ] as const) {
    const answer = judge(input);
    assert.ok('fields' in answer && answer.fields.some((name) => name.startsWith(path)), `${path}: ${JSON.stringify(answer)}`);
  }
});

test('what a spec may not take away says why', () => {
  for (const [input, reason] of [
    [{ isolation: 'none' }, /no payload without a sandbox/],
    [{ namespaces: { net: false } }, /no sandbox has the host’s network/],
    [{ namespaces: { user: false } }, /capabilities of its starter/],
    [{ mounts: [{ type: 'proc', destination: '/proc' }] }, /its own \/proc/],
    [{ mounts: [{ type: 'dev-bind', source: '/dev/kvm', destination: '/dev/kvm' }] }, /"device"/],
    [{ createDirectories: ['/workspace/x'] }, /outlives the run/],
    [{ mounts: [{ type: 'device', source: '/dev/sda' }] }, /device_forbidden.*storage/],
    [{ mounts: [{ type: 'device', source: '/dev/kvm' }] }, /device_not_listed/],
    [{ root: { type: 'directory', path: '/srv/other' } }, /root_not_listed/],
    [{ prependVariables: { BUREAU_X: '1' } }, /set by Bureau/],
  ] as const) {
    const answer = judge(input);
    assert.ok('reason' in answer, JSON.stringify(input));
    assert.match(answer.reason, reason);
  }
  const fine = { isolation: 'standard', namespaces: { net: true, pid: true }, createDirectories: ['/var/tmp', '/tmp/x', '/workspace'] };
  assert.ok('words' in judge(fine), 'control: what changes nothing may be said');
});

test('the table has every field of the schema', () => {
  const known = new Set([...FIELDS.map(({ path }) => path.split('.')[0]), ...OBJECTS]);
  for (const name of Object.keys(sandboxSpec.entries)) assert.ok(known.has(name), `put ${name} into FIELDS of this test, with its kind`);
  for (const name of OBJECTS) {
    if (!(name in sandboxSpec.entries)) continue;
    for (const value of [1, 'text', true]) assert.ok('fields' in judge({ [name]: value }), `${name} = ${show(value)}`);
  }
});
