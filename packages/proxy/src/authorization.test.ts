// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentAuthorization, knownTarget } from './authorization.ts';
import { Problem } from './problem.ts';

test('AgentAuthorization: what nobody has said anything about allows reading, speaking and leaving, and nothing else', () => {
  const authorization = new AgentAuthorization();
  const room = knownTarget('!a:b');
  for (const action of ['matrix/read', 'matrix/send', 'matrix/leave']) assert.equal(authorization.refusal(action, room), undefined, action);
  for (const action of ['matrix/join', 'matrix/invite', 'matrix/create-room', 'matrix/state', 'matrix/raw-api', 'matrix', 'x']) {
    assert.equal(authorization.refusal(action, room)?.rule, 'grants', action);
  }
  assert.equal(authorization.namesMatter, false);
});

test('AgentAuthorization: patterns, exact targets, and a denial that wins over every grant', () => {
  const authorization = new AgentAuthorization();
  authorization.set({
    grants: [
      { actions: ['matrix/*'], targets: ['iree/**'] },
      { actions: ['matrix/join'], targets: ['#other/room:server', '!id:server', '@pm:server'] },
    ],
    denials: [{ actions: ['matrix/join', 'matrix/state'], targets: ['iree/secret/*'] }],
  });
  assert.equal(authorization.namesMatter, true);
  const cases: [string, string, string | undefined][] = [
    ['matrix/send', '#iree/amdgpu:server', undefined],
    ['matrix/send', '#iree:server', undefined],
    ['matrix/send', '@iree/pm:server', undefined],
    ['matrix/send', '#iree-evil/amdgpu:server', 'grants'],
    ['matrix/send', '!iree/amdgpu:server', 'grants'],
    ['matrix/join', '#other/room:server', undefined],
    ['matrix/join', '#other/room:evil', 'grants'],
    ['matrix/join', '!id:server', undefined],
    ['matrix/join', '#iree/secret/plans:server', 'denials[0]'],
    ['matrix/send', '#iree/secret/plans:server', undefined],
    ['matrix/state', '#iree/secret/plans/deep:server', undefined],
    ['matrix/join/deep', '#iree/x:server', 'grants'],
  ];
  for (const [action, name, rule] of cases) assert.equal(authorization.refusal(action, knownTarget(name))?.rule, rule, `${action} ${name}`);
  // One name that is denied denies, whatever the others are.
  assert.equal(authorization.refusal('matrix/join', knownTarget('!id:server', '#iree/secret/a:server'))?.rule, 'denials[0]');
});

test('AgentAuthorization: a denial by name holds for a room whose names are not known, a grant by name does not', () => {
  const authorization = new AgentAuthorization();
  const unknown = { names: ['!id:server'], complete: false };
  authorization.set({ grants: [{ actions: ['**'], targets: ['**'] }], denials: [{ actions: ['matrix/join'], targets: ['iree/**'] }] });
  assert.equal(authorization.refusal('matrix/join', unknown)?.rule, 'denials[0]');
  assert.equal(authorization.refusal('matrix/send', unknown), undefined);
  authorization.set({ grants: [{ actions: ['**'], targets: ['**'] }], denials: [{ actions: ['**'], targets: ['!other:server'] }] });
  assert.equal(authorization.refusal('matrix/join', unknown), undefined, 'an ID is never another');
  authorization.set({ grants: [{ actions: ['**'], targets: ['iree/**'] }], denials: [] });
  assert.equal(authorization.refusal('matrix/join', unknown)?.rule, 'grants');
});

test('AgentAuthorization.require says which rule, what was asked and what would allow it', () => {
  const authorization = new AgentAuthorization();
  assert.throws(
    () => authorization.require('matrix/join', knownTarget('#a:b')),
    (error: unknown) => {
      assert.ok(error instanceof Problem);
      assert.deepEqual(
        [error.status, error.code, error.extensions],
        [403, 'not_granted', { action: 'matrix/join', rule: 'grants', target: ['#a:b'] }],
      );
      assert.match(error.message, /operator can grant/);
      return true;
    },
  );
});
