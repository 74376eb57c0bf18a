// SPDX-License-Identifier: Apache-2.0
import type { BundleHeader } from '@bureau/protocol';
import type { LauncherPolicy } from './policy-file.ts';
import { judgeDigest, refusal } from './policy.ts';
import type { SandboxRecord } from './state-record.ts';

/**
 * New keys for a sandbox that runs are judged as at its start. A stolen daemon would start what an earlier bundle allowed, and have it get
 * the keys of one that is for another spec. Throws `spec_refused`, rule `allowed_specs`.
 */
export function demandRotation({ principal, specDigest }: SandboxRecord, header: Pick<BundleHeader, 'allowed_specs'>): void {
  if (specDigest === undefined && header.allowed_specs !== undefined)
    throw refusal(
      'allowed_specs',
      'the credential bundle names specs, and an earlier build did not write down which one runs; restart the agent, and it gets its keys',
      principal,
    );
  const refused = specDigest === undefined ? undefined : judgeDigest(specDigest, header);
  if (refused !== undefined) throw refusal(refused.rule, refused.message, principal);
}

/** The secrets that a sandbox keeps as files under another bundle: of those that its spec asked for by name, what it could ask for today. */
export function secretFilesAfter(
  { specDigest, secretFiles = [] }: SandboxRecord,
  { allowed_specs: allowed = [], files = {} }: Pick<BundleHeader, 'allowed_specs' | 'files'>,
  policy: Pick<LauncherPolicy, 'secretFiles'>,
): string[] {
  if (!policy.secretFiles || specDigest === undefined || !allowed.includes(specDigest)) return [];
  return secretFiles.filter((name) => Object.hasOwn(files, name));
}
