// SPDX-License-Identifier: Apache-2.0
import type { AssignmentContent } from '@bureau/protocol';
import { describeFault } from './fault.ts';
import { noTemplate, type TemplateLibrary } from './library.ts';
import { describeSpecFaults, specOf, type SpecResult } from './spec.ts';

/** The spec that an assignment makes of the templates that there are, or why it makes none, in a sentence for whoever wrote it. */
export type AssignedSpec = Extract<SpecResult, { ok: true }> | { readonly ok: false; readonly message: string };

/** What a machine would make of this assignment, as far as assignment and templates say; it may still lack a service or keys. Pure. */
export function assignedSpec(assignment: AssignmentContent, library: TemplateLibrary): AssignedSpec {
  const name = assignment.template;
  const resolution = library.get(name);
  if (resolution === undefined) return { ok: false, message: noTemplate(name, library) };
  if (!resolution.ok) return { ok: false, message: describeFault(resolution.faults[0]) };
  const made = specOf(assignment, resolution.template);
  if (made.ok) return made;
  return { ok: false, message: `template "${name}" and its assignment make no sandbox: ${describeSpecFaults(made.faults)}` };
}
