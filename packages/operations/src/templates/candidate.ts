// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import * as v from 'valibot';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession, type Session, type SessionInput } from '../matrix/session.ts';
import type { OperationContext } from '../registry/context.ts';
import { checkTemplate, type CheckedTemplate } from './check-template.ts';
import { SOURCE_HELP, isFile, readSource, templateSource } from './source.ts';
import { readReference, readTemplateRoom, templateReference, type TemplateRoom } from './template-reference.ts';

/** Input fields of commands that take a template from somewhere and look at it as one of a room. */
export const CANDIDATE_ENTRIES = { source: templateSource, as: v.optional(templateReference), ...SESSION_ENTRIES };
/** How they are given. */
export const CANDIDATE_FIELDS = {
  source: { help: SOURCE_HELP },
  as: {
    help: 'the template that it is to be; default: the name of the file, in the room that machines follow',
    placeholder: '[ROOM:]NAME',
  },
  ...SESSION_FIELDS,
};

/** Of commands that do no more than that. */
export const ON_CANDIDATE = { input: v.strictObject(CANDIDATE_ENTRIES), fields: CANDIDATE_FIELDS, positionals: ['source'] as const };

/** A template that somebody has, looked at as one of a room. */
export interface Candidate {
  readonly session: Session;
  readonly label: string;
  readonly name: string;
  readonly room: TemplateRoom;
  readonly checked: CheckedTemplate;
}

/** Reads and checks a template. Throws what `readSource` throws, and `invalid_name` when nothing says which template it is to be. */
export async function openCandidate(
  { source: text, as, ...input }: SessionInput & { readonly source: string; readonly as?: string | undefined },
  context: OperationContext,
): Promise<Candidate> {
  const session = await openSession(input, context);
  const source = await readSource(text, session, context);
  const target = as ?? (isFile(text) || text.includes('://') ? source.name : text);
  if (target === undefined) throw new UsageError('invalid_name', `${text} does not say which template it is to be; name it with --as NAME`);
  const { room: roomName, name } = readReference(target);
  const room = await readTemplateRoom(session, roomName, context.signal);
  return { session, label: source.label, name, room, checked: checkTemplate(source, name, room, context) };
}
