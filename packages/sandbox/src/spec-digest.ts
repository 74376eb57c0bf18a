// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { SandboxSpec } from '@bureau/protocol';

/** JSON with sorted keys and no spaces: the same text for the same value, whoever wrote it. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}

/**
 * SHA-256 (lower-case hexadecimal) of a spec as its schema gives it back, defaults filled in: what a bundle's `allowed_specs` lists.
 * What the payload is told (`payload`, `trigger`) is no part of it: that changes with each task.
 * A default that changes in a later version changes the digest of specs that relied on it.
 */
export function specDigest({ payload: _payload, trigger: _trigger, ...spec }: SandboxSpec): string {
  return createHash('sha256').update(canonicalJson(spec)).digest('hex');
}
