// SPDX-License-Identifier: Apache-2.0
import { TEMPLATE, readEvent } from '@bureau/protocol';
import { describeFault } from '@bureau/templates';
import * as v from 'valibot';
import { roomArgument } from '../matrix/room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from '../matrix/session.ts';
import { textTable } from '../matrix/text-table.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { TEMPLATE_ROOM, readTemplateRoom } from './template-reference.ts';

/** `bureau template list`. */
export const templateList: AnyOperation = defineOperation({
  name: 'template list',
  summary: 'List the templates of a room, what each builds on, and which cannot be used',
  grant: 'template/list',
  input: v.strictObject({ room: v.optional(roomArgument, TEMPLATE_ROOM), ...SESSION_ENTRIES }),
  output: v.strictObject({
    room_id: v.string(),
    templates: v.array(
      v.strictObject({
        name: v.string(),
        description: v.string(),
        inherits: v.array(v.string()),
        locked: v.array(v.string()),
        sender: v.string(),
        event_id: v.optional(v.string()),
        /** Why no machine can use it; `null` when it can be used. */
        fault: v.nullable(v.string()),
      }),
    ),
  }),
  fields: { room: { help: `the room; default ${TEMPLATE_ROOM}, which machines follow` }, ...SESSION_FIELDS },
  positionals: ['room'],
  examples: [{ command: 'bureau template list', shows: 'each template with its description' }],
  async handler({ room, ...input }, context) {
    const session = await openSession(input, context);
    const { roomId, events, library } = await readTemplateRoom(session, room, context.signal);
    return {
      room_id: roomId,
      templates: [...events].map(([name, { content, sender, event_id }]) => {
        const read = readEvent(TEMPLATE, content);
        const resolution = library.get(name);
        return {
          name,
          description: read.ok ? read.content.description : '',
          inherits: read.ok ? (read.content.inherits ?? []) : [],
          locked: read.ok ? (read.content.locked ?? []) : [],
          sender,
          ...(event_id === undefined ? {} : { event_id }),
          fault: resolution?.ok === false ? describeFault(resolution.faults[0]) : null,
        };
      }),
    };
  },
  render: ({ templates }) =>
    textTable(
      ['NAME', 'INHERITS', 'WHAT IT IS'],
      templates.map(({ name, inherits, description, fault }) => [name, inherits.join(' '), fault ?? description]),
      'no templates',
    ),
});
