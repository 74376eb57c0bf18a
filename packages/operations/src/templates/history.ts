// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { TEMPLATE, integer, readEvent } from '@bureau/protocol';
import { contentDifferences } from '@bureau/templates';
import * as v from 'valibot';
import { timeOf } from '../matrix/event-shape.ts';
import { printable } from '../matrix/printable.ts';
import { resolveRoom } from '../matrix/room-argument.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from '../matrix/session.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { differenceLines, shownDifference } from './differences-shape.ts';
import { HISTORY_MAX } from './limits.ts';
import { REFERENCE_HELP, readReference, templateReference } from './template-reference.ts';
import { templateEvents } from './timeline.ts';

const change = v.strictObject({
  event_id: v.string(),
  sender: v.string(),
  /** Milliseconds since the Unix epoch, as the sender's server says. */
  at: v.number(),
  what: v.picklist(['published', 'changed', 'taken back', 'unreadable']),
  differences: v.array(shownDifference),
});

/** `bureau template history`. */
export const templateHistory: AnyOperation = defineOperation({
  name: 'template history',
  summary: 'Show who changed a template when, and what',
  description: 'From the room’s timeline, the newest first, each change against the one before.',
  grant: 'template/history',
  input: v.strictObject({ template: templateReference, limit: v.optional(integer(1, HISTORY_MAX), 20), ...SESSION_ENTRIES }),
  output: v.strictObject({ name: v.string(), room_id: v.string(), changes: v.array(change), more: v.boolean() }),
  fields: {
    template: { help: REFERENCE_HELP },
    limit: { help: `changes at most, 1 to ${HISTORY_MAX}; default 20`, placeholder: 'N' },
    ...SESSION_FIELDS,
  },
  positionals: ['template'],
  examples: [{ command: 'bureau template history python', shows: 'each change with its sender, its time and what it changed' }],
  async handler({ template, limit, ...input }, context) {
    const { room, name } = readReference(template);
    const session = await openSession(input, context);
    const roomId = await resolveRoom(session, room, context.signal);
    // One more than is shown, for what the oldest has changed.
    const { events, more } = await templateEvents(session, roomId, name, limit + 1, context.signal);
    if (events.length === 0)
      throw new BureauError('not_found', `There has never been a template "${name}" in ${room}`, { data: { room, name } });
    const readings = events.map(({ content }) => readEvent(TEMPLATE, content));
    const changes = events.slice(0, limit).map(({ event_id, sender, origin_server_ts: at }, index) => {
      const [now, before] = [readings[index], readings[index + 1]];
      const [after, earlier] = [now?.ok ? now.content : undefined, before?.ok ? before.content : undefined];
      const what =
        after === undefined
          ? now?.ok === false && now.fault === 'empty'
            ? 'taken back'
            : 'unreadable'
          : earlier === undefined
            ? 'published'
            : 'changed';
      return { event_id, sender, at, what, differences: contentDifferences(earlier, after) } as const;
    });
    return { name, room_id: roomId, changes, more: more || events.length > limit };
  },
  render: ({ changes, more }) =>
    [
      ...changes.flatMap(({ event_id, sender, at, what, differences }) => [
        `${timeOf(at)}  ${printable(sender)}  ${what}  ${printable(event_id)}`,
        ...differenceLines(differences).map((line) => `    ${line}`),
      ]),
      ...(more ? ['more: --limit'] : []),
    ].join('\n'),
});
