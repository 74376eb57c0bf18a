// SPDX-License-Identifier: Apache-2.0
import type { AssignmentContent } from '@bureau/protocol';
import { assignedSpec } from './assigned-spec.ts';
import type { TemplateLibrary } from './library.ts';
import { same } from './tighter.ts';

/**
 * What becomes of an agent when templates change. `untouched`: nothing · `told`: it gets another payload or health check while it runs · `replaced`: it ends and
 * starts anew · `starts`: it could not be until now · `blocked`: it cannot be started any more; what runs goes on.
 */
export type Effect = 'untouched' | 'told' | 'replaced' | 'starts' | 'blocked';

/** What a change of the templates does to one assignment, and why it is blocked. Pure. */
export function effectOf(
  assignment: AssignmentContent,
  before: TemplateLibrary,
  after: TemplateLibrary,
): { readonly effect: Effect; readonly message?: string } {
  const [was, now] = [assignedSpec(assignment, before), assignedSpec(assignment, after)];
  if (!now.ok) return was.ok ? { effect: 'blocked', message: now.message } : { effect: 'untouched', message: now.message };
  if (!was.ok) return { effect: 'starts' };
  const [{ payload: earlier, ...one }, { payload: later, ...other }] = [was.spec, now.spec];
  if (!same(one, other)) return { effect: 'replaced' };
  return { effect: same(earlier, later) && same(was.healthCheck, now.healthCheck) ? 'untouched' : 'told' };
}

/** Whether a template, or one that it is made of, is `name`. */
export function buildsOn(template: string, name: string, libraries: readonly TemplateLibrary[]): boolean {
  if (template === name) return true;
  return libraries.some((library) => {
    const resolution = library.get(template);
    return resolution?.ok === true && resolution.template.lineage.some((lineal) => lineal.name === name);
  });
}
