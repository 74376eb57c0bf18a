// SPDX-License-Identifier: Apache-2.0
import { BUILT_IN_CONTENTS } from './built-in-contents.ts';
import { same } from './tighter.ts';

/** A template that set-up publishes. */
export interface BuiltInTemplate {
  /** As it is in deploy/templates, without comments. */
  readonly content: Readonly<Record<string, unknown>>;
  /** What earlier versions of Bureau published under this name, as far as it differs. */
  readonly earlier: readonly Readonly<Record<string, unknown>>[];
}

/** The templates that set-up publishes, by name; a parent stands before its children. */
export const BUILT_IN_TEMPLATES: ReadonlyMap<string, BuiltInTemplate> = new Map(Object.entries(BUILT_IN_CONTENTS));

/**
 * Whose the published content of a built-in template is. `current`: what this version publishes · `earlier`: what an earlier one did,
 * which nobody has touched since · `own`: somebody has changed it on purpose.
 */
export function builtInState({ content, earlier }: BuiltInTemplate, published: unknown): 'current' | 'earlier' | 'own' {
  if (same(published, content)) return 'current';
  return earlier.some((each) => same(published, each)) ? 'earlier' : 'own';
}
