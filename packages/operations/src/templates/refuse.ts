// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import type { Candidate } from './candidate.ts';
import { describeFindings, hasErrors } from './findings.ts';

/** Throws `template_wrong` with everything that is wrong with a template, unless machines can use it. */
export function requireGood({ label, checked }: Candidate): void {
  if (!hasErrors(checked.findings)) return;
  throw new UsageError('template_wrong', `No machine could use this template:\n${describeFindings(label, checked.findings)}`, {
    data: { findings: checked.findings.length },
  });
}
