// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentContent } from '@bureau/protocol';
import { resolveTemplates } from '@bureau/templates';
import * as v from 'valibot';
import { resolveSpec } from './resolve.ts';

const assignment = v.parse(assignmentContent, { v: 1, principal: 'iree/pm', template: 'base', command: ['agent'], generation: 1 });

function resolved(fields: object): ReturnType<typeof resolveSpec> {
  return resolveSpec(assignment, resolveTemplates([['base', { v: 1, description: 'test', ...fields }]]));
}

test('resolveSpec carries what a template says of its sandboxes, and nothing that it does not say', () => {
  const said = {
    mounts: [{ type: 'overlay', lower: '/srv/a', destination: '/a' }],
    prependVariables: { PATH: '/opt/x' },
    createDirectories: ['/var/tmp'],
    directory: '/var/tmp',
    scratchSize: 8_192,
    scratch: 'disk',
    root: { type: 'host' },
    gpu: true,
    roles: { shell: ['sh'] },
    profile: 'strict',
    resources: { pids: 10 },
  };
  const full = resolved(said);
  assert.ok('spec' in full);
  for (const [name, value] of Object.entries(said)) {
    const found: unknown = full.spec[name as keyof typeof said];
    if (name === 'mounts') assert.equal(full.spec.mounts[0]?.type, 'overlay');
    else assert.deepEqual(found, value, name);
  }
  const plain = resolved({});
  assert.ok('spec' in plain);
  assert.deepEqual(Object.keys(plain.spec).toSorted(), [
    'command',
    'directory',
    'environment',
    'mounts',
    'profile',
    'scratchSize',
    'terminal',
    'v',
  ]);
  assert.equal(plain.spec.directory, '/workspace');
});

test('resolveSpec does not start what needs a service that nobody knows', () => {
  assert.deepEqual(resolved({ requiredServices: ['ticket'] }), {
    fault: 'it needs a service of the role "ticket", and none is known on this machine',
  });
  assert.ok('spec' in resolved({ requiredServices: [] }));
});

test('a template that would take a guard away is none', () => {
  for (const [fields, why] of [
    [{ isolation: 'none' }, /no payload without a sandbox/],
    [{ namespaces: { net: false } }, /host’s network/],
  ] as const) {
    const result = resolved(fields);
    assert.ok('fault' in result);
    assert.match(result.fault, why);
  }
});
