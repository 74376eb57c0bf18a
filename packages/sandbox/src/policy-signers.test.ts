// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import * as v from 'valibot';
import { launcherPolicy } from './policy-file.ts';
import { demandSigner } from './policy-signers.ts';

const PM = parsePrincipalName('iree/amdgpu/pm');
const policy = (signers?: unknown): v.InferOutput<typeof launcherPolicy> =>
  v.parse(launcherPolicy, { v: 1, ...(signers === undefined ? {} : { signers }) });

test('demandSigner() lets sign whom the policy names for this principal; without a list everybody who is pinned', () => {
  const cases: readonly (readonly [signers: unknown, names: readonly string[], taken: boolean])[] = [
    [undefined, ['ann'], true],
    [[], ['ann'], false],
    [[{ operator: 'ann', principals: ['iree/**'] }], ['ann'], true],
    [[{ operator: 'ann', principals: ['iree/**'] }], ['bob'], false],
    [[{ operator: 'ann', principals: ['iree/**'] }], ['bob', 'ann'], true],
    [[{ operator: 'ann', principals: ['iree/*'] }], ['ann'], false],
    [[{ operator: 'ann', principals: [] }], ['ann'], false],
    [
      [
        { operator: 'ann', principals: ['other'] },
        { operator: 'ann', principals: ['iree/amdgpu/pm'] },
      ],
      ['ann'],
      true,
    ],
    [[{ operator: 'ann', principals: ['iree/amdgpu/p'] }], ['ann'], false],
  ];
  for (const [signers, names, taken] of cases) {
    const call = (): void => demandSigner(names, PM, policy(signers));
    if (taken) call();
    else assert.throws(call, { code: 'bundle_signer', message: /"signers".*"iree\/amdgpu\/pm"/ });
  }
});

test('a rule of signers that could mean nothing is an error of the file', () => {
  for (const bad of [
    [{ operator: 'ann' }],
    [{ operator: '', principals: [] }],
    [{ operator: '../ann', principals: [] }],
    [{ operator: 'ann', principals: ['iree/am*'] }],
    [{ operator: 'ann', principals: [''] }],
    [{ operator: 'ann', principals: 'iree' }],
    [{ operator: 'ann', principals: [], key: 'x' }],
    'ann',
  ]) {
    assert.throws(() => policy(bad), JSON.stringify(bad));
  }
});
