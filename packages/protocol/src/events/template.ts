// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { healthCheck } from '../health-check.ts';
import { jsonObject } from '../json-object.ts';
import { argument, environmentName, sandboxSpec, withoutLists } from '../sandbox-spec.ts';
import { text } from '../scalars.ts';

/** Most templates that one inherits directly: a person still sees which comes after which. */
const INHERITS_MAX = 8;
/** Most locks of one template: more than it has fields, and some of their entries. */
const LOCKED_MAX = 64;

/** The name of a template: one segment. */
export const templateName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'expected a template name such as "default"'));

/** What `locked` names: a field, or one entry of a field that is a map. */
const lockPath = v.pipe(
  v.string(),
  v.maxLength(300),
  v.regex(/^[a-zA-Z]+(\..+)?$/, 'expected a field such as "mounts", or an entry of one such as "resources.memory"'),
);

/** What a template may say of its sandboxes as the spec does; absent unless it is said. */
const sameAsSpec = v.partial(
  v.pick(sandboxSpec, [
    'prependVariables',
    'createDirectories',
    'directory',
    'scratchSize',
    'scratch',
    'root',
    'gpu',
    'namespaces',
    'isolation',
    'roles',
    'requiredServices',
    'profile',
    'resources',
    'secretFiles',
  ]),
);

/** What only version 2 says: a Bureau that knows version 1 would read such a template without it, and start something looser. */
function needsVersion2(content: {
  readonly [field: string]: unknown;
  readonly environment: Readonly<Record<string, string | null>>;
}): boolean {
  return (
    ['inherits', 'locked', 'payload'].some((field) => content[field] !== undefined) ||
    Object.values(content.environment).some((value) => value === null)
  );
}

/** The least version that says all of a template, for its writer: older machines go on reading what they can. */
export function templateVersion(content: Omit<TemplateContent, 'v'>): 1 | 2 {
  return needsVersion2(content) ? 2 : 1;
}

/** m.bureau.template: a sandbox spec whose command may be given by the assignment, alone or on top of other templates. */
export const templateContent = v.pipe(
  v.object({
    v: v.picklist([1, 2]),
    description: text(500),
    /** What it builds on, in the same room: as if those had been written here one after the other, and then this. */
    inherits: v.optional(v.pipe(v.array(templateName), v.minLength(1), v.maxLength(INHERITS_MAX))),
    /** What those who inherit this one, and assignments, may make tighter and never looser. */
    locked: v.optional(v.pipe(v.array(lockPath), v.minLength(1), v.maxLength(LOCKED_MAX))),
    command: v.optional(sandboxSpec.entries.command),
    /** `null` takes away what an inherited template sets. */
    environment: v.optional(v.pipe(withoutLists<string | null>(), v.record(environmentName, v.nullable(argument))), {}),
    mounts: sandboxSpec.entries.mounts,
    ...sameAsSpec.entries,
    /** How a machine finds out whether an agent is well. */
    healthCheck: v.optional(healthCheck),
    /** What an agent is told unless its assignment says otherwise. */
    payload: v.optional(jsonObject),
    signature: v.optional(v.string()),
  }),
  v.check((content) => content.v === 2 || !needsVersion2(content), '"inherits", "locked", "payload" and null need "v": 2'),
);
export type TemplateContent = v.InferOutput<typeof templateContent>;
