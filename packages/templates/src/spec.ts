// SPDX-License-Identifier: Apache-2.0
import { sandboxSpec, type AssignmentContent, type HealthCheck, type SandboxSpec } from '@bureau/protocol';
import * as v from 'valibot';
import { describePlace, type TemplateFault } from './fault.ts';
import type { Layer } from './fields.ts';
import type { ResolvedTemplate } from './library.ts';
import { lockFaults } from './locks.ts';
import { overlay } from './overlay.ts';

/** What of an assignment becomes part of the sandbox. */
export type AssignedFields = Pick<AssignmentContent, 'command' | 'environment' | 'healthCheck' | 'payload' | 'run'>;

/** A spec (and how its payload is asked whether it is well), or why there is none: as much as one template and one assignment can say about it. */
export type SpecResult =
  | { readonly ok: true; readonly spec: SandboxSpec; readonly healthCheck?: HealthCheck }
  | { readonly ok: false; readonly faults: readonly [SpecFault, ...SpecFault[]] };
export type SpecFault = Omit<TemplateFault, 'template'>;

/** Template and assignment into one spec: the assignment is laid over the template by the same rules, and keeps the same locks. Pure. */
export function specOf(assignment: AssignedFields, template: ResolvedTemplate): SpecResult {
  const fields = overlay(template.fields, assignedLayer(assignment));
  const loosened = lockFaults(template.locks, fields);
  if (loosened.length > 0) return { ok: false, faults: loosened as [SpecFault] };
  if (fields.command === undefined) {
    const message = `there is no command: template "${template.name}" has none, so the assignment must give one`;
    return { ok: false, faults: [{ path: 'command', message, expected: 'a command' }] };
  }
  // The machine's own business: no sandbox is made otherwise for it.
  const { healthCheck, ...ofSandbox } = fields;
  const parsed = v.safeParse(sandboxSpec, { v: 1, ...ofSandbox, terminal: assignment.run?.terminal ?? true });
  if (parsed.success) return { ok: true, spec: parsed.output, ...(healthCheck === undefined ? {} : { healthCheck }) };
  const faults = parsed.issues.map((issue) => ({ path: v.getDotPath(issue) ?? '', message: issue.message }));
  return { ok: false, faults: faults as [SpecFault, ...SpecFault[]] };
}

/** The faults of a spec in a sentence. */
export function describeSpecFaults(faults: readonly SpecFault[]): string {
  return faults.map(describePlace).join('; ');
}

function assignedLayer({ command, environment, healthCheck, payload }: AssignedFields): Layer {
  return {
    ...(command.length > 0 ? { command } : {}),
    ...(Object.keys(environment).length > 0 ? { environment } : {}),
    ...(healthCheck === undefined ? {} : { healthCheck }),
    ...(payload === undefined ? {} : { payload }),
  };
}
