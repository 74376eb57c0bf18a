// SPDX-License-Identifier: Apache-2.0
import type { TemplateContent } from '@bureau/protocol';

/** What a template says of its sandboxes; what it says of itself (`description`, `inherits`, `locked`) is not among it. */
export type TemplateFields = Omit<TemplateContent, 'v' | 'description' | 'inherits' | 'locked' | 'signature'>;
/** A field that is merged. */
export type FieldName = keyof TemplateFields;
/** What one template says, as far as it says anything. */
export type Layer = Partial<TemplateFields>;

/** How two values of a field become one; see `MERGES`. */
export type Merge = 'replace' | 'entries' | 'union' | 'places' | 'prepend';
/** What a lock still lets through; see `TIGHTER`. */
export type Tighter = 'same' | 'smaller' | 'stricter' | 'off' | 'more' | 'narrower';

/** What is to be known of one field. */
export interface FieldRule {
  readonly merge: Merge;
  readonly tighter: Tighter;
  /** What holds where nobody says anything, where that can be compared. */
  readonly absent?: unknown;
  /** For a map: entries that have an order of their own; others are `tighter`. */
  readonly entries?: Readonly<Record<string, Tighter>>;
  /** A lock on this field locks that one too: it says the same in another way. */
  readonly alongside?: FieldName;
}

/**
 * The rules, one line for each field: code, tests and docs/reference/templates.md read this table. A field of the schema without a line
 * here does not compile.
 */
export const TEMPLATE_FIELDS: { readonly [Field in FieldName]-?: FieldRule } = {
  command: { merge: 'replace', tighter: 'same' },
  environment: { merge: 'entries', tighter: 'same', alongside: 'prependVariables' },
  prependVariables: { merge: 'prepend', tighter: 'same' },
  mounts: { merge: 'places', tighter: 'narrower', absent: [] },
  createDirectories: { merge: 'union', tighter: 'same', absent: [] },
  directory: { merge: 'replace', tighter: 'same', absent: '/workspace' },
  scratchSize: { merge: 'replace', tighter: 'smaller', absent: 512 * 1024 * 1024 },
  scratch: { merge: 'replace', tighter: 'same' },
  root: { merge: 'replace', tighter: 'same', absent: { type: 'host' } },
  gpu: { merge: 'replace', tighter: 'off', absent: false },
  namespaces: { merge: 'entries', tighter: 'same' },
  isolation: { merge: 'replace', tighter: 'same', absent: 'standard' },
  roles: { merge: 'entries', tighter: 'same' },
  requiredServices: { merge: 'union', tighter: 'more', absent: [] },
  profile: { merge: 'replace', tighter: 'stricter', absent: 'default' },
  resources: {
    merge: 'entries',
    tighter: 'same',
    entries: {
      memory: 'smaller',
      pids: 'smaller',
      cpuWeight: 'smaller',
      cpuQuota: 'smaller',
      ioWeight: 'smaller',
      openFiles: 'smaller',
      fileSize: 'smaller',
    },
  },
  secretFiles: { merge: 'union', tighter: 'same', absent: [] },
  healthCheck: { merge: 'replace', tighter: 'same' },
  payload: { merge: 'entries', tighter: 'same' },
};

/** Their names, in the order of the table. */
export const FIELD_NAMES = Object.keys(TEMPLATE_FIELDS) as readonly FieldName[];

/** Whether a field is a map, whose entries can be locked one by one. */
export function isMap(field: FieldName): boolean {
  const { merge } = TEMPLATE_FIELDS[field];
  return merge === 'entries' || merge === 'prepend';
}
