// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import * as v from 'valibot';

/** Where an event of ours counts. The same type in any other room is nobody's word. */
export type EventRoom = 'config' | 'machine' | 'service' | 'template' | 'agents' | 'any room of the sender';

/**
 * Who may write it, which the homeserver enforces (room and power level; a state key with `@` is its owner's alone):
 * an `operator` has level 100 there; a `machine` or `principal` speaks about itself, under its own full user ID.
 */
export type EventWriter = 'operator' | 'machine' | 'principal' | 'member';

/** How a state key is to be read. `none`: the event is of the timeline. */
export type StateKeyKind = 'principal' | 'machine user' | 'user' | 'template' | 'identifier' | 'empty' | 'none';

/** One event type of ours, whole: the one description for set-up, doctor, readers, writers, tests and the reference page. */
export interface EventDefinition<Schema extends v.GenericSchema = v.GenericSchema> {
  readonly type: string;
  readonly summary: string;
  readonly rooms: readonly EventRoom[];
  readonly stateKey: StateKeyKind;
  readonly writer: EventWriter;
  /** The newest `v` that this code writes; it reads that and older ones, and no newer. */
  readonly version: number;
  /** Its shape is settled, and no code of ours writes or reads it yet. */
  readonly reserved?: true;
  readonly schema: Schema;
}

/** What an event says, or why nothing can be read from it, in words for a person. */
export type EventReading<Output> =
  | { readonly ok: true; readonly content: Output }
  | { readonly ok: false; readonly fault: 'empty' | 'newer' | 'malformed'; readonly message: string };

/**
 * Reads a content. Fields that are not known are left out, so that an older Bureau reads what a newer one added within a version; a newer
 * version is not guessed at. An empty content is how Matrix state is taken back.
 */
export function readEvent<Schema extends v.GenericSchema>(
  { version, schema }: Pick<EventDefinition<Schema>, 'version' | 'schema'>,
  content: unknown,
): EventReading<v.InferOutput<Schema>> {
  if (typeof content === 'object' && content !== null && Object.keys(content).length === 0)
    return { ok: false, fault: 'empty', message: 'it is empty' };
  const written = versionOf(content);
  if (written !== undefined && written > version) {
    return { ok: false, fault: 'newer', message: `it was written by a newer Bureau (version ${written}); this one reads up to ${version}` };
  }
  const parsed = v.safeParse(schema, content);
  if (parsed.success) return { ok: true, content: parsed.output };
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  return { ok: false, fault: 'malformed', message: path === null ? issue.message : `${path}: ${issue.message}` };
}

/**
 * To be called with what is there before it is written over. Throws `event_newer` when a newer Bureau wrote it: what this one does not
 * know of it would be lost.
 */
export function requireWritable({ type, version }: Pick<EventDefinition, 'type' | 'version'>, stored: unknown): void {
  const written = versionOf(stored);
  if (written === undefined || written <= version) return;
  throw new BureauError(
    'event_newer',
    `Refused to write over ${type}: it was written by a newer Bureau (version ${written}), this one writes up to ${version}; update this Bureau`,
    { data: { type, found: written, known: version } },
  );
}

function versionOf(content: unknown): number | undefined {
  const version = typeof content === 'object' && content !== null && 'v' in content ? content.v : undefined;
  return typeof version === 'number' && Number.isSafeInteger(version) ? version : undefined;
}
