// SPDX-License-Identifier: Apache-2.0
import { TEMPLATE, readEvent } from '@bureau/protocol';
import { builtInState, type BuiltInTemplate } from '@bureau/templates';
import type { Content } from './client-types.ts';

/**
 * What a published template is to set-up and doctor. `missing`, `broken` (nobody can read it) and `earlier` (as an earlier Bureau published
 * it, and untouched since) are to be written again. `current` needs nothing; `own` is an operator's, changed on purpose; `newer` was written
 * by a newer Bureau: those stay. Pure.
 */
export function templateState(
  builtIn: BuiltInTemplate,
  published: Content | undefined,
): 'missing' | 'broken' | 'earlier' | 'current' | 'own' | 'newer' {
  if (published === undefined || Object.keys(published).length === 0) return 'missing';
  const read = readEvent(TEMPLATE, published);
  if (read.ok) return builtInState(builtIn, published);
  return read.fault === 'newer' ? 'newer' : 'broken';
}
