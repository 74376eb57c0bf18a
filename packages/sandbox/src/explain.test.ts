// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseInstanceName, parsePrincipalName } from '@bureau/core';
import { instancePaths } from '@bureau/instance';
import { sandboxSpec } from '@bureau/protocol';
import * as v from 'valibot';
import { bwrapOptions } from './bwrap-arguments.ts';
import { decideForSpec } from './explain-spec.ts';
import { explainMounts } from './explain-mounts.ts';
import { explainSandbox } from './explain.ts';
import { readPlanFile, writePlanFile, type DecidedSandbox } from './plan-file.ts';

/** What this machine would decide, on an instance that nobody has: no policy file, so nothing of the host. */
function decide(fields: Partial<v.InferInput<typeof sandboxSpec>>): DecidedSandbox {
  return decideForSpec({
    spec: v.parse(sandboxSpec, { v: 1, command: ['agent', '--secretive'], ...fields }),
    principal: parsePrincipalName('iree/pm'),
    number: 3,
    uid: 200_022,
    paths: instancePaths(parseInstanceName('nobodyhasit')),
    buildDirectory: '/usr/lib/bureau/build',
    variables: { MACHINE_NAME: 'machine/here' },
  });
}

test('explainSandbox says exactly what bubblewrap gets, and who asked for each part', () => {
  const decided = decide({
    environment: { HOST: '${MACHINE_NAME}', LANG: 'C' },
    mounts: [{ type: 'tmpfs', destination: '/data', size: 8_192 }],
    resources: { pids: 10 },
    scratch: 'memory',
  });
  const found = explainSandbox(decided);
  assert.deepEqual({ options: found.options, command: found.commandLine }, bwrapOptions(decided.plan));
  const at = (path: string): object | undefined => found.mounts.find((mount) => mount.path === path);
  assert.deepEqual(at('/data'), { path: '/data', kind: 'memory', writable: true, what: '8192 bytes', from: 'mounts[0]' });
  assert.deepEqual(at('/usr'), { path: '/usr', kind: 'host', writable: false, what: '/usr', from: 'bureau' });
  assert.deepEqual(at('/proc/acpi') ?? { writable: false }, { ...at('/proc/acpi'), writable: false }, 'closed after it was made');
  assert.deepEqual(
    found.environment.find(({ name }) => name === 'HOST'),
    { name: 'HOST', value: 'machine/here', from: 'spec' },
  );
  assert.deepEqual(found.environment.find(({ name }) => name === 'BUREAU_PRINCIPAL')?.from, 'bureau');
  assert.deepEqual(
    found.limits.find(({ name }) => name === 'pids'),
    { name: 'pids', value: 10, from: 'spec' },
  );
  assert.equal(found.limits.find(({ name }) => name === 'memory')?.from, 'bureau');
  assert.deepEqual([...new Set(found.guards.map(({ from }) => from))].toSorted(), ['bundle', 'bureau', 'policy']);
});

test('explainMounts misses nothing that bubblewrap makes', () => {
  const { plan } = decide({ mounts: [{ type: 'tmpfs', destination: '/data' }], createDirectories: ['/tmp/a', '/var/tmp'] });
  const { options } = bwrapOptions(plan);
  const made = options.filter((word) => /^--(proc|dev|tmpfs|dir|symlink|dev-bind|(ro-)?bind(-fd|-try)?)$/.test(word)).length;
  assert.equal(explainMounts(plan, options, []).length, made);
});

test('decideForSpec refuses what the launcher would, by the same rule, and writes nothing', () => {
  const bind = { type: 'bind' as const, source: '/srv', destination: '/x' };
  assert.throws(() => decide({ mounts: [bind] }), {
    code: 'spec_refused',
    data: { rule: 'mount_source_not_listed', principal: 'iree/pm' },
  });
  assert.throws(() => decide({ resources: { memory: 2 ** 50 } }), { code: 'spec_refused', message: /resource_limit/ });
  assert.equal(statSync('/run/bureau-nobodyhasit', { throwIfNoEntry: false }), undefined);
});

test('writePlanFile leaves no word of what the payload was told, for root alone', () => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'bureau-plan-')));
  try {
    mkdirSync(directory, { recursive: true });
    const decided = decide({ payload: { task: 'the-task-itself' }, trigger: { by: 'the-trigger-itself' } });
    writePlanFile(directory, decided);
    assert.equal(statSync(join(directory, 'plan.json')).mode & 0o777, 0o600);
    assert.doesNotMatch(readFileSync(join(directory, 'plan.json'), 'utf8'), /the-task-itself|the-trigger-itself/);
    const again = readPlanFile(directory);
    assert.ok(again);
    assert.deepEqual(explainSandbox(again), explainSandbox(decided), 'a file later the same is said');
    assert.equal(readPlanFile(join(directory, 'nothing')), undefined);
    const { toolsDirectory: _, ...older } = decided.plan;
    writeFileSync(join(directory, 'plan.json'), JSON.stringify({ ...decided, plan: { ...older, bridgeProgram: '/x' } }));
    assert.equal(readPlanFile(directory), undefined, 'of a build before bureau-exec');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
