// SPDX-License-Identifier: Apache-2.0
import { assembleSeccomp, seccompArchitecture } from '../seccomp.ts';

/** A filter that lets everything through but answers `errno` to these calls: shows that an answer is the filter's own. */
export function filterAnswering(calls: readonly string[], errno: number): Uint8Array {
  const allow = { type: 'allow' } as const;
  const profile = { name: 'weak', fallback: allow, unknown: allow, calls: [{ calls, otherwise: { type: 'errno', errno } as const }] };
  return assembleSeccomp(profile, seccompArchitecture(process.arch));
}
