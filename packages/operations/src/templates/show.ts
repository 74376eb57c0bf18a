// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { noTemplate } from '@bureau/templates';
import * as v from 'valibot';
import { printableJson } from '../matrix/printable.ts';
import { SESSION_ENTRIES, SESSION_FIELDS, openSession } from '../matrix/session.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { REFERENCE_HELP, readReference, readTemplateRoom, templateReference } from './template-reference.ts';

/** `bureau template show`. */
export const templateShow: AnyOperation = defineOperation({
  name: 'template show',
  summary: 'Print a template as it is in its room, without what it inherits',
  description: 'The content is what “template push” takes. “template resolve” shows it with everything that it inherits.',
  grant: 'template/show',
  input: v.strictObject({ template: templateReference, ...SESSION_ENTRIES }),
  output: v.strictObject({
    name: v.string(),
    room_id: v.string(),
    sender: v.string(),
    event_id: v.optional(v.string()),
    content: v.record(v.string(), v.unknown()),
  }),
  fields: { template: { help: REFERENCE_HELP }, ...SESSION_FIELDS },
  positionals: ['template'],
  examples: [{ command: 'bureau template show python > python.json', shows: 'the template, to be edited and pushed' }],
  async handler({ template, ...input }, context) {
    const { room, name } = readReference(template);
    const session = await openSession(input, context);
    const { roomId, events, library } = await readTemplateRoom(session, room, context.signal);
    const event = events.get(name);
    if (event === undefined) throw new BureauError('not_found', `In ${room} ${noTemplate(name, library)}`, { data: { room, name } });
    const { sender, event_id, content } = event;
    return { name, room_id: roomId, sender, ...(event_id === undefined ? {} : { event_id }), content };
  },
  render: ({ content }) => printableJson(content, 2),
});
