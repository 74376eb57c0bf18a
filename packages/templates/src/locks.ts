// SPDX-License-Identifier: Apache-2.0
import { nearestName } from '@bureau/core';
import type { Mount } from '@bureau/protocol';
import { FIELD_NAMES, TEMPLATE_FIELDS, isMap, type FieldName, type Layer, type Tighter } from './fields.ts';
import type { TemplateFault } from './fault.ts';
import { mountPlace, own } from './overlay.ts';
import { TIGHTER, shown } from './tighter.ts';

/** A lock and what it holds to: what the template that set it had come to itself. */
export interface Lock {
  /** `mounts`, `resources.memory`. */
  readonly path: string;
  /** The template that set it. */
  readonly by: string;
  /** That one's fields, flattened. */
  readonly held: Layer;
}

/** What is wrong with an entry of `locked`: a lock that nobody can keep is worse than none. Pure. */
export function lockPathFault(path: string): Pick<TemplateFault, 'message' | 'nearest'> | undefined {
  const { field, entry } = readLockPath(path);
  const known = FIELD_NAMES.find((name) => name === field);
  if (known === undefined) {
    const nearest = nearestName(field, FIELD_NAMES);
    return { message: `there is no field ${JSON.stringify(field)} to lock`, ...(nearest === undefined ? {} : { nearest }) };
  }
  if (entry !== undefined && !isMap(known)) return { message: `${known} has no entries that could be locked one by one`, nearest: known };
  return undefined;
}

/** Everything in which `fields` is looser than a lock allows. Pure. */
export function lockFaults(locks: readonly Lock[], fields: Layer): Omit<TemplateFault, 'template'>[] {
  const found = new Map<string, Omit<TemplateFault, 'template'>>();
  for (const lock of locks) {
    for (const { path, tighter, was, now } of comparisons(lock, fields)) {
      const { holds, expected } = TIGHTER[tighter];
      if (holds(was, now) || found.has(path)) continue;
      const wanted = expected(was);
      const message = `expected ${wanted}, which template "${lock.by}" locks; found ${shown(now)}`;
      found.set(path, { path, message, expected: wanted, found: shown(now), lockedBy: lock.by });
    }
  }
  return [...found.values()];
}

interface Comparison {
  readonly path: string;
  readonly tighter: Tighter;
  readonly was: unknown;
  readonly now: unknown;
}

function comparisons({ path, held }: Lock, fields: Layer): Comparison[] {
  const { field: name, entry } = readLockPath(path);
  const field = name as FieldName;
  const { alongside } = TEMPLATE_FIELDS[field];
  return [field, ...(alongside === undefined ? [] : [alongside])].flatMap((each) => comparisonsOf(each, entry, held, fields));
}

function comparisonsOf(field: FieldName, entry: string | undefined, held: Layer, fields: Layer): Comparison[] {
  const { tighter, absent, entries = {} } = TEMPLATE_FIELDS[field];
  const [was, now] = [held[field] ?? absent, fields[field] ?? absent];
  if (isMap(field)) {
    const [before, after] = [was ?? {}, now ?? {}] as Readonly<Record<string, unknown>>[];
    const keys = entry === undefined ? new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]) : [entry];
    return [...keys].map((key) => ({
      path: `${field}.${key}`,
      tighter: own(entries, key) ?? tighter,
      was: own(before ?? {}, key),
      now: own(after ?? {}, key),
    }));
  }
  if (field !== 'mounts') return [{ path: field, tighter, was, now }];
  const [before, after] = [was, now].map((mounts) => new Map((mounts as readonly Mount[]).map((mount) => [mountPlace(mount), mount])));
  return [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].map((place) => ({
    path: `mounts[${place}]`,
    tighter,
    was: before?.get(place),
    now: after?.get(place),
  }));
}

function readLockPath(path: string): { readonly field: string; readonly entry?: string } {
  const at = path.indexOf('.');
  return at < 0 ? { field: path } : { field: path.slice(0, at), entry: path.slice(at + 1) };
}
