// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { AssignmentContent, HealthCheck, SandboxSpec } from '@bureau/protocol';
import { assignedSpec, type TemplateLibrary } from '@bureau/templates';

/** A spec and how its payload is asked whether it is well, or why there is none. */
export type Resolved = { readonly spec: SandboxSpec; readonly healthCheck?: HealthCheck } | { readonly fault: string };

/** Template and assignment into one spec, as far as this machine has what it needs. */
export function resolveSpec(assignment: AssignmentContent, templates: TemplateLibrary): Resolved {
  const result = assignedSpec(assignment, templates);
  if (!result.ok) return { fault: result.message };
  const [service] = result.spec.requiredServices ?? [];
  if (service !== undefined) return { fault: `it needs a service of the role "${service}", and none is known on this machine` };
  const { spec, healthCheck } = result;
  return healthCheck === undefined ? { spec } : { spec, healthCheck };
}

/**
 * What one assignment's sandboxes have in common: changes when anything changes that a running one cannot take over.
 * Generation and attempt are counted in the id beside it, so that they outlive every process of ours.
 */
export function specKey(assignment: AssignmentContent, { payload: _payload, trigger: _trigger, ...spec }: SandboxSpec): string {
  const text = JSON.stringify([assignment.generation, assignment.run?.id ?? null, spec]);
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** The id of attempt number `attempt` of a generation. */
export function sandboxIdOf(key: string, generation: number, attempt: number): string {
  return `${key}-g${generation}-${attempt}`;
}

/** What an id says. */
export interface SandboxIdParts {
  readonly key: string;
  /** Absent in ids that a Bureau before ADR 0018 made. */
  readonly generation?: number;
  readonly attempt: number;
}

/** The parts of an id that `sandboxIdOf` made, now or before ADR 0018 (`KEY-ATTEMPT`); anything else has a key of its own and attempt 0. */
export function parseSandboxId(id: string): SandboxIdParts {
  const [, key, generation, attempt] = /^(.+?)(?:-g(\d{1,16}))?-(\d{1,7})$/.exec(id) ?? [];
  if (key === undefined || attempt === undefined) return { key: id, attempt: 0 };
  return { key, attempt: Number(attempt), ...(generation === undefined ? {} : { generation: Number(generation) }) };
}
