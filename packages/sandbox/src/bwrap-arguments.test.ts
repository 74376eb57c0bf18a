// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { sandboxSpec, type SandboxSpec } from '@bureau/protocol';
import fc from 'fast-check';
import * as v from 'valibot';
import { bwrapOptions, type SandboxPlan } from './bwrap-arguments.ts';
import type { PlannedMount } from './mount-plan.ts';

const HOST: SandboxPlan['host'] = {
  rootEntries: [
    { path: '/usr', source: '/usr', linkTo: null },
    { path: '/bin', source: '/bin', linkTo: 'usr/bin' },
    { path: '/lib', source: '/lib', linkTo: null },
  ],
  readOnlyProc: ['sys', 'irq'],
  maskedProc: [
    { name: 'keys', directory: false },
    { name: 'acpi', directory: true },
  ],
};

/** What `planMounts` makes of binds and tmpfs, without a look at any file. */
function planned(mounts: SandboxSpec['mounts']): PlannedMount[] {
  return mounts.flatMap((mount, source): PlannedMount[] => {
    const field = `mounts[${source}]`;
    if (mount.type === 'tmpfs') return [{ type: 'tmpfs', field, destination: mount.destination, size: mount.size }];
    if (mount.type !== 'bind') return [];
    return [{ type: 'bind', field, source, destination: mount.destination, writable: mount.mode === 'rw', directory: true }];
  });
}

function plan(fields: Partial<v.InferInput<typeof sandboxSpec>> = {}, other: Partial<SandboxPlan> = {}): SandboxPlan {
  const spec = v.parse(sandboxSpec, { v: 1, command: ['agent', '--fast'], ...fields });
  return {
    spec,
    mounts: planned(spec.mounts),
    principal: parsePrincipalName('iree/amdgpu/pm'),
    uid: 200_022,
    gid: 200_022,
    agentDirectory: '/run/bureau/.p/3/agent',
    toolsDirectory: '/usr/lib/bureau/build/inside',
    workspaceDirectory: '/var/lib/bureau/workspace/iree',
    rootFilesDirectory: '/var/lib/bureau/launcher/root/3',
    hostEtcDirectory: '/run/bureau/.etc/1',
    hostname: 'iree-amdgpu-pm',
    host: HOST,
    ...other,
  };
}

/** How many words follow an option; an option that is missing here is one that nobody meant to use. */
const ARITY: Readonly<Record<string, number>> = {
  ...Object.fromEntries(['user', 'pid', 'net', 'ipc', 'uts', 'cgroup'].map((name) => [`--unshare-${name}`, 0])),
  ...{ '--disable-userns': 0, '--die-with-parent': 0, '--clearenv': 0 },
  ...{
    '--uid': 1,
    '--gid': 1,
    '--cap-drop': 1,
    '--hostname': 1,
    '--proc': 1,
    '--dev': 1,
    '--tmpfs': 1,
    '--perms': 1,
    '--size': 1,
    '--remount-ro': 1,
    '--chdir': 1,
  },
  ...{ '--ro-bind': 2, '--ro-bind-fd': 2, '--bind-fd': 2, '--bind': 2, '--bind-try': 2, '--symlink': 2, '--setenv': 2 },
};

/** Reads options as bubblewrap does. */
function parse(options: readonly string[]): string[][] {
  const parsed: string[][] = [];
  for (let at = 0; at < options.length;) {
    const option = options[at] ?? '';
    const arity = ARITY[option];
    assert.ok(arity !== undefined, `unexpected option ${JSON.stringify(option)}`);
    parsed.push(options.slice(at, at + 1 + arity));
    at += 1 + arity;
  }
  return parsed;
}

function valuesOf(options: readonly string[], name: string): string[][] {
  return parse(options)
    .filter(([option]) => option === name)
    .map(([, ...values]) => values);
}

test('bwrapOptions has every namespace, no capability, no new session, and keeps the uid', () => {
  const options = bwrapOptions(plan()).options;
  for (const name of ['user', 'pid', 'net', 'ipc', 'uts', 'cgroup']) assert.ok(options.includes(`--unshare-${name}`), name);
  for (const name of ['--disable-userns', '--die-with-parent', '--clearenv']) assert.ok(options.includes(name), name);
  for (const name of ['--new-session', '--share-net', '--cap-add', '--dev-bind', '--unshare-user-try'])
    assert.ok(!options.includes(name), name);
  assert.deepEqual(valuesOf(options, '--cap-drop'), [['ALL']]);
  assert.deepEqual([valuesOf(options, '--uid'), valuesOf(options, '--gid')], [[['200022']], [['200022']]]);
  assert.deepEqual(valuesOf(options, '--chdir'), [['/']]);
});

test('bwrapOptions lays guards over /proc after it is mounted, and closes / after everything is in it', () => {
  const parsed = parse(bwrapOptions(plan()).options).map((words) => words.join(' '));
  const at = (words: string): number => {
    assert.ok(parsed.includes(words), words);
    return parsed.indexOf(words);
  };
  for (const guard of [
    '--ro-bind /proc/sys /proc/sys',
    '--ro-bind /proc/irq /proc/irq',
    '--ro-bind /var/lib/bureau/launcher/root/3/empty /proc/keys',
    '--tmpfs /proc/acpi',
  ]) {
    assert.ok(at('--proc /proc') < at(guard), guard);
  }
  assert.ok(at('--dev /dev') < at('--tmpfs /dev/shm'));
  assert.ok(at('--tmpfs /dev/shm') < at('--remount-ro /dev'));
  assert.equal(
    at('--remount-ro /'),
    parsed.findLastIndex((words) => /^--(ro-bind|bind|tmpfs|symlink|remount-ro|proc|dev)/.test(words)),
  );
  assert.ok(at('--symlink usr/bin /bin') > at('--ro-bind /usr /usr'));
  at('--ro-bind /lib /lib');
  at('--ro-bind /run/bureau/.p/3/agent /run/bureau');
  at('--symlink /run/bureau/proxy.sock /proxy.sock');
  at('--ro-bind /usr/lib/bureau/build/inside /run/bureau-bin');
  at('--bind /var/lib/bureau/workspace/iree /workspace');
});

test('bwrapOptions starts every command by bureau-exec, which alone knows of the terminal', () => {
  const command = (terminal: boolean): string[] => bwrapOptions(plan({ terminal, directory: '/tmp/x' })).command;
  assert.deepEqual(command(false), ['/run/bureau-bin/bureau-exec', '/tmp/x', 'agent', '--fast']);
  assert.deepEqual(command(true), ['/run/bureau-bin/bureau-exec', '--terminal', '/tmp/x', 'agent', '--fast']);
});

test('bwrapOptions gives every memory file system a size and a mode', () => {
  const parsed = parse(bwrapOptions(plan({ scratchSize: 4_096, mounts: [{ type: 'tmpfs', destination: '/data', size: 8_192 }] })).options);
  const sizes: Record<string, string> = {};
  parsed.forEach(([option, path], index) => {
    if (option !== '--tmpfs') return;
    assert.equal(parsed[index - 2]?.[0], '--perms', path);
    assert.equal(parsed[index - 1]?.[0], '--size', path);
    sizes[path ?? ''] = parsed[index - 1]?.[1] ?? '';
  });
  assert.deepEqual(sizes, { '/proc/acpi': '4096', '/dev/shm': '4096', '/tmp': '4096', '/home/agent': '4096', '/data': '8192' });
});

test('bwrapOptions binds the spec’s mounts by descriptor, read-only unless they say rw', () => {
  const mounts: SandboxSpec['mounts'] = [
    { type: 'bind', source: '/srv/a', destination: '/a', mode: 'ro', optional: false },
    { type: 'bind', source: '/srv/b', destination: '/b', mode: 'rw', optional: false },
  ];
  const { options } = bwrapOptions(plan({ mounts }));
  assert.deepEqual(valuesOf(options, '--ro-bind-fd'), [['7', '/a']]);
  assert.deepEqual(valuesOf(options, '--bind-fd'), [['8', '/b']]);
  assert.ok(!options.some((word) => word.startsWith('/srv/')), 'bubblewrap looks up no path of a spec');
});

test('bwrapOptions sets the environment: the spec over the defaults, Bureau over the spec', () => {
  const environment = Object.fromEntries(
    valuesOf(bwrapOptions(plan({ environment: { PATH: '/x', LANG: 'C', TERM: 'dumb', MINE: '1' } })).options, '--setenv'),
  );
  assert.deepEqual(environment, {
    PATH: '/x',
    HOME: '/home/agent',
    USER: 'agent',
    LOGNAME: 'agent',
    SHELL: '/bin/sh',
    LANG: 'C',
    TERM: 'dumb',
    MINE: '1',
    BUREAU_PRINCIPAL: 'iree/amdgpu/pm',
    BUREAU_PROXY_SOCKET: '/run/bureau/proxy.sock',
  });
  const names = (spec: Parameters<typeof plan>[0]): string[] =>
    valuesOf(bwrapOptions(plan(spec)).options, '--setenv').map(([name]) => name ?? '');
  assert.ok(names({ terminal: true }).includes('TERM'));
  assert.ok(!names({ terminal: false }).includes('TERM'));
  for (const name of ['BUREAU_PRINCIPAL', 'BUREAU_ANYTHING']) {
    assert.throws(() => bwrapOptions(plan({ environment: { [name]: 'x' } })), {
      code: 'environment_refused',
      data: { field: `environment.${name}` },
    });
  }
});

test('bwrapOptions refuses root, NUL and host names that are none', () => {
  for (const [field, id] of [
    ['uid', 0],
    ['gid', 0],
    ['uid', -1],
    ['uid', 1.5],
    ['uid', Number.NaN],
  ] as const) {
    assert.throws(() => bwrapOptions(plan({}, { [field]: id })), { code: 'uid_refused', data: { field } });
  }
  for (const hostname of ['', 'a b', '-a', 'a-', 'a/b', 'A', 'a'.repeat(65), 'a\nb', '--bind']) {
    assert.throws(() => bwrapOptions(plan({}, { hostname })), { code: 'hostname_refused' }, JSON.stringify(hostname));
  }
  const hostile = plan();
  for (const changed of [
    { ...hostile, workspaceDirectory: '/a\0--bind\0/\0/x' },
    { ...hostile, spec: { ...hostile.spec, environment: { A: 'x\0--bind\0/\0/x' } } },
    { ...hostile, spec: { ...hostile.spec, command: ['a\0b'] } },
    { ...hostile, spec: { ...hostile.spec, directory: '/a\0--bind' } },
  ]) {
    assert.throws(() => bwrapOptions(changed), { code: 'argument_refused' });
  }
});

test('bwrapOptions lets no text of a spec become an option', () => {
  const text = fc
    .oneof(
      fc.constantFrom('--bind', '--', '--args', '--share-net', '--cap-add', '-c', '$(id)', 'a\nb', '\u202e', ''),
      fc.string({ unit: 'binary' }),
    )
    .map((value) => value.replaceAll('\0', ''));
  const segment = fc.oneof(fc.constantFrom('--bind', '--', 'a b', '$x', '-'), fc.stringMatching(/^[a-z]{1,8}$/));
  const name = fc.stringMatching(/^[A-Z_]{1,8}$/).filter((value) => !value.startsWith('BUREAU'));
  const mount = segment.map((at) => ({ type: 'bind' as const, source: `/srv/${at}`, destination: `/mnt/${at}` }));
  const plain = parse(bwrapOptions(plan()).options).filter(([option]) => option !== '--setenv').length;
  fc.assert(
    fc.property(
      fc.array(text, { minLength: 1, maxLength: 5 }),
      fc.dictionary(name, text),
      fc.option(mount),
      segment,
      (command, environment, bind, at) => {
        const made = bwrapOptions(plan({ command, environment, mounts: bind === null ? [] : [bind], directory: `/${at}` }));
        const parsed = parse(made.options);
        assert.equal(parsed.filter(([option]) => option !== '--setenv').length, plain + (bind === null ? 0 : 1));
        assert.equal(
          new Map(valuesOf(made.options, '--setenv').map(([key, value]) => [key, value])).size,
          new Set([
            'PATH',
            'HOME',
            'USER',
            'LOGNAME',
            'SHELL',
            'LANG',
            'TERM',
            'BUREAU_PRINCIPAL',
            'BUREAU_PROXY_SOCKET',
            ...Object.keys(environment),
          ]).size,
        );
        assert.deepEqual(made.command, ['/run/bureau-bin/bureau-exec', '--terminal', `/${at}`, ...command]);
      },
    ),
  );
});
