// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { machineName, principalName, text } from '../scalars.ts';

const word = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,63}$/, 'expected a word such as "ticket"'));

/** m.bureau.service: a principal says which service it gives, under its own user ID. */
export const serviceContent = v.object({
  v: v.literal(1),
  machine: machineName,
  description: v.optional(text(500)),
  capabilities: v.optional(v.pipe(v.array(word), v.maxLength(32)), []),
  /** Name of an endpoint → the file of its socket in the directory that the service listens in. */
  endpoints: v.record(word, v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,40}\.sock$/, 'expected a file name such as "service.sock"'))),
});

/** m.bureau.service_binding: which principal serves a role here. */
export const serviceBindingContent = v.object({ v: v.literal(1), principal: principalName });

/** m.bureau.layout: how an observer's windows stand. */
const pane = v.object({
  observe: v.optional(principalName),
  command: v.optional(v.pipe(v.array(text(1_000)), v.minLength(1), v.maxLength(64))),
  split: v.optional(v.picklist(['horizontal', 'vertical'])),
  /** Percent of the one before. */
  size: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(5), v.maxValue(95))),
});
export const layoutContent = v.object({
  v: v.literal(1),
  windows: v.pipe(v.array(v.object({ name: text(64), panes: v.pipe(v.array(pane), v.minLength(1), v.maxLength(32)) })), v.maxLength(64)),
});
