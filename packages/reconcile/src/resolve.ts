// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { AssignmentContent, SandboxSpec } from '@bureau/protocol';
import { describeSpecFaults, specOf, type ResolvedTemplate } from '@bureau/templates';

/** A spec, or why there is none. */
export type Resolved = { readonly spec: SandboxSpec } | { readonly fault: string };

/** Template and assignment into one spec, as `specOf` lays them over each other, as far as this machine has what it needs. */
export function resolveSpec(assignment: AssignmentContent, template: ResolvedTemplate): Resolved {
  const result = specOf(assignment, template);
  if (!result.ok) return { fault: `template "${template.name}" and its assignment make no sandbox: ${describeSpecFaults(result.faults)}` };
  const [service] = result.spec.requiredServices ?? [];
  if (service !== undefined) return { fault: `it needs a service of the role "${service}", and none is known on this machine` };
  return { spec: result.spec };
}

/** Attempts are counted in the sandbox id, so that they outlive every process of ours. */
const SEPARATOR = '-';

/** What one assignment's sandboxes have in common: changes when anything changes that a running one cannot take over. */
export function specKey(assignment: AssignmentContent, { payload: _payload, trigger: _trigger, ...spec }: SandboxSpec): string {
  const text = JSON.stringify([assignment.generation, assignment.run?.id ?? null, spec]);
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** The id of attempt number `attempt`. */
export function sandboxIdOf(key: string, attempt: number): string {
  return `${key}${SEPARATOR}${attempt}`;
}

/** Key and attempt of an id that `sandboxIdOf` made; anything else has a key of its own and attempt 0. */
export function parseSandboxId(id: string): { key: string; attempt: number } {
  const at = id.lastIndexOf(SEPARATOR);
  const attempt = Number(id.slice(at + 1));
  return at > 0 && Number.isSafeInteger(attempt) && attempt >= 0 ? { key: id.slice(0, at), attempt } : { key: id, attempt: 0 };
}
