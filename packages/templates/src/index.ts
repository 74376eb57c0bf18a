// SPDX-License-Identifier: Apache-2.0
/**
 * Sandbox templates: which builds on which, how their fields are merged, what is locked, what an assignment makes of one. Pure: contents
 * of events in, values out; nothing throws for what a room says.
 *
 * @example
 * ```ts
 * import { resolveTemplates, specOf } from '@bureau/templates';
 *
 * const library = resolveTemplates([
 *   ['base', { v: 2, description: 'small', resources: { pids: 100 }, locked: ['resources.pids'] }],
 *   ['tool', { v: 2, description: 'a tool', inherits: ['base'], command: ['tool'] }],
 * ]);
 * const tool = library.get('tool');
 * if (tool?.ok) specOf({ command: [], environment: {} }, tool.template); // { ok: true, spec: { command: ['tool'], resources: { pids: 100 }, … } }
 * ```
 */
export { TEMPLATE_FIELDS } from './fields.ts';
export type { FieldName, FieldRule, Layer } from './fields.ts';
export { MERGES } from './overlay.ts';
export { TIGHTER } from './tighter.ts';
export { BUILT_IN_TEMPLATES, builtInState } from './built-in.ts';
export type { BuiltInTemplate } from './built-in.ts';
export { contentDifferences, layerDifferences } from './differences.ts';
export type { Difference } from './differences.ts';
export { assignedSpec } from './assigned-spec.ts';
export type { AssignedSpec } from './assigned-spec.ts';
export { buildsOn, effectOf } from './effect.ts';
export type { Effect } from './effect.ts';
export { describeFault } from './fault.ts';
export type { TemplateFault } from './fault.ts';
export { noTemplate, resolveTemplates } from './library.ts';
export type { Lineal, ResolvedTemplate, Resolution, TemplateLibrary } from './library.ts';
export type { Lock } from './locks.ts';
export { originsOf } from './origins.ts';
export type { Origin } from './origins.ts';
export { specOf } from './spec.ts';
export type { AssignedFields, SpecFault, SpecResult } from './spec.ts';
