// SPDX-License-Identifier: Apache-2.0
import { TEMPLATE, readEvent, type TemplateContent } from '@bureau/protocol';
import { contentDifferences, layerDifferences } from '@bureau/templates';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { ON_CANDIDATE, openCandidate } from './candidate.ts';
import { differenceLines, shownDifference } from './differences-shape.ts';
import { requireGood } from './refuse.ts';
import type { TemplateRoom } from './template-reference.ts';

/** The published content of a template, when there is one that can be read. */
export function publishedContent(room: TemplateRoom, name: string): TemplateContent | undefined {
  const read = readEvent(TEMPLATE, room.events.get(name)?.content);
  return read.ok ? read.content : undefined;
}

/** `bureau template diff`. */
export const templateDiff: AnyOperation = defineOperation({
  name: 'template diff',
  summary: 'Show in what a template differs from the published one',
  description: 'Part by part, of the template itself (`own`) and of what comes of it with everything that it inherits (`resolved`).',
  grant: 'template/diff',
  ...ON_CANDIDATE,
  output: v.strictObject({
    name: v.string(),
    room_id: v.string(),
    published: v.boolean(),
    own: v.array(shownDifference),
    resolved: v.array(shownDifference),
  }),
  examples: [{ command: 'bureau template diff ./tool.jsonc', shows: 'what a push would change' }],
  async handler(input, context) {
    const candidate = await openCandidate(input, context);
    requireGood(candidate);
    const { name, room, checked } = candidate;
    const before = room.library.get(name);
    return {
      name,
      room_id: room.roomId,
      published: room.events.has(name),
      own: contentDifferences(publishedContent(room, name), checked.template?.parsed),
      resolved: layerDifferences(before?.ok === true ? before.template.fields : {}, checked.resolved?.fields ?? {}),
    };
  },
  render: ({ published, own }) =>
    [...(published ? [] : ['it is not published yet']), ...(own.length === 0 ? ['no difference'] : differenceLines(own))].join('\n'),
});
