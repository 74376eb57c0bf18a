// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import {
  ARGUMENTS_MAX,
  TEMPLATE_SPEC_FIELDS,
  sandboxSpec,
  type AssignmentContent,
  type SandboxSpec,
  type TemplateContent,
} from '@bureau/protocol';
import * as v from 'valibot';

/** A spec, or why there is none. */
export type Resolved = { readonly spec: SandboxSpec } | { readonly fault: string };

/** Template and assignment into one spec: the assignment's command replaces the template's, its environment is laid over it. */
export function resolveSpec(assignment: AssignmentContent, template: TemplateContent): Resolved {
  const command = assignment.command.length > 0 ? assignment.command : template.command;
  if (command === undefined || command.length === 0 || command.length > ARGUMENTS_MAX) {
    return { fault: `there is no command: template "${assignment.template}" has none, so the assignment must give one` };
  }
  const [service] = template.requiredServices ?? [];
  if (service !== undefined) return { fault: `it needs a service of the role "${service}", and none is known on this machine` };
  const parsed = v.safeParse(sandboxSpec, {
    v: 1,
    command,
    environment: { ...template.environment, ...assignment.environment },
    mounts: template.mounts,
    ...Object.fromEntries(TEMPLATE_SPEC_FIELDS.flatMap((name) => (template[name] === undefined ? [] : [[name, template[name]]]))),
    terminal: assignment.run?.terminal ?? true,
    ...(assignment.payload === undefined ? {} : { payload: assignment.payload }),
  });
  if (parsed.success) return { spec: parsed.output };
  const [issue] = parsed.issues;
  return { fault: `template and assignment do not make a sandbox: ${v.getDotPath(issue) ?? ''} ${issue.message}` };
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
