// SPDX-License-Identifier: Apache-2.0
import { UsageError, type RoomId } from '@bureau/core';
import { EVENT_TYPES, templateName } from '@bureau/protocol';
import { STANDARD_ROOMS, type MatrixClient, type StateEvent } from '@bureau/matrix';
import { resolveTemplates, type TemplateLibrary } from '@bureau/templates';
import * as v from 'valibot';
import { readRoomState, resolveRoom } from '../matrix/room-argument.ts';
import type { Session } from '../matrix/session.ts';

/** The room that machines follow, by its alias. */
export const TEMPLATE_ROOM = STANDARD_ROOMS.find(({ label }) => label === 'template')?.alias ?? '';

/** A template as a person names it. */
export const templateReference = v.pipe(v.string(), v.minLength(1, 'expected a template'), v.maxLength(350));
/** Its help. */
export const REFERENCE_HELP = `a template: its name, or ROOM:NAME for one in another room than ${TEMPLATE_ROOM}, such as iree/template:tool`;

/** Room and name of a reference: `tool`, `iree/template:tool`, `!id:tool`, `#iree/template:server:tool`. Pure. Throws `invalid_name`. */
export function readReference(text: string): { readonly room: string; readonly name: string } {
  const at = text.lastIndexOf(':');
  const [room, name] = at < 0 ? [TEMPLATE_ROOM, text] : [text.slice(0, at), text.slice(at + 1)];
  if (room === '' || !v.is(templateName, name))
    throw new UsageError(
      'invalid_name',
      `Cannot use ${JSON.stringify(text.slice(0, 100))} as a template: expected a name of a-z, 0-9, "_" and "-", or ROOM:NAME`,
    );
  return { room, name };
}

/** One template event of a room. */
export type TemplateEvent = Pick<StateEvent, 'sender' | 'event_id' | 'content'>;

/** The templates of one room as they are now. */
export interface TemplateRoom {
  readonly roomId: string;
  readonly events: ReadonlyMap<string, TemplateEvent>;
  readonly library: TemplateLibrary;
}

/** Reads the templates of a room, which its alias is looked up for now. Throws `not_found`, `not_in_room`. */
export async function readTemplateRoom(session: Session, room: string, signal: AbortSignal): Promise<TemplateRoom> {
  const roomId = await resolveRoom(session, room, signal);
  return { roomId, ...templatesOf(await readRoomState(session, roomId, signal)) };
}

/** The templates of a room that is known already. Throws what `MatrixClient.allState` throws. */
export async function readTemplates(client: MatrixClient, roomId: RoomId, signal: AbortSignal): Promise<Omit<TemplateRoom, 'roomId'>> {
  return templatesOf(await client.allState(roomId, { signal }));
}

function templatesOf(state: readonly StateEvent[]): Omit<TemplateRoom, 'roomId'> {
  const events = new Map(
    state
      .filter(({ type, content }) => type === EVENT_TYPES.template && Object.keys(content).length > 0)
      .map(({ state_key: name, ...event }) => [name, event] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
  return { events, library: resolveTemplates([...events].map(([name, { content }]) => [name, content] as const)) };
}
