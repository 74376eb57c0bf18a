// SPDX-License-Identifier: Apache-2.0
import { BureauError, matchGlob, type PrincipalName } from '@bureau/core';
import type { LauncherPolicy } from './policy-file.ts';

/**
 * Throws `bundle_signer`, with the rule `signers`, unless the policy lets one of `names` sign for this principal. `names` are the
 * files of the operators directory that hold the signer's key: usually one.
 */
export function demandSigner(names: readonly string[], principal: PrincipalName, { signers }: Pick<LauncherPolicy, 'signers'>): void {
  if (signers === undefined) return;
  const mayFor = signers.filter(({ principals }) => principals.some((pattern) => matchGlob(pattern, principal)));
  if (mayFor.some(({ operator }) => names.includes(operator))) return;
  const allowed = mayFor.map(({ operator }) => operator).join(', ') || 'nobody';
  throw new BureauError(
    'bundle_signer',
    `The launcher's policy refuses this credential bundle by its rule "signers": ${names.join(' and ')} signed it, and for "${principal}" the policy lets ${allowed} sign; have it sealed by one who may, or let the machine's owner add a rule`,
    { data: { rule: 'signers', principal, operators: names } },
  );
}
