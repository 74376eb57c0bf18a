// SPDX-License-Identifier: Apache-2.0
import { BureauError, parseRoomId } from '@bureau/core';
import { EVENT_TYPES, TEMPLATE, requireWritable } from '@bureau/protocol';
import { contentDifferences } from '@bureau/templates';
import * as v from 'valibot';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { CANDIDATE_ENTRIES, CANDIDATE_FIELDS, openCandidate, type Candidate } from './candidate.ts';
import { publishedContent } from './diff.ts';
import { differenceLines, shownDifference } from './differences-shape.ts';
import { describeFindings, templateFinding } from './findings.ts';
import { requireGood } from './refuse.ts';
import { templateEvents } from './timeline.ts';

/** `--expect` for a template that must not be there yet. */
const NONE = 'none';

/** `bureau template push`. */
export const templatePush: AnyOperation = defineOperation({
  name: 'template push',
  summary: 'Publish a template, unless it is published like that already',
  description:
    'Refuses what no machine could use, and what would break a template that builds on it. What becomes of the agents that use it says “template impact”. With --expect it refuses to write over anything but the event that you have looked at.',
  grant: 'template/push',
  input: v.strictObject({
    ...CANDIDATE_ENTRIES,
    expect: v.optional(v.pipe(v.string(), v.regex(/^(\$.{1,254}|none)$/, 'expected an event ID, or "none"'))),
    dry_run: v.optional(v.boolean(), false),
  }),
  output: v.strictObject({
    name: v.string(),
    room_id: v.string(),
    outcome: v.picklist(['published', 'kept', 'would be published']),
    /** The template's event now; `null` when there is none. */
    event_id: v.nullable(v.string()),
    differences: v.array(shownDifference),
    findings: v.array(templateFinding),
  }),
  fields: {
    ...CANDIDATE_FIELDS,
    expect: { help: 'write only over this event; "none": only when there is no such template', placeholder: 'EVENT' },
    dry_run: { help: 'say what would be done, and do nothing' },
  },
  positionals: ['source'],
  examples: [
    { command: 'bureau template push ./tool.jsonc', shows: 'what changes, and that it is published' },
    { command: "bureau template push ./tool.jsonc --expect '$…'", shows: 'the same, unless somebody else has changed it since' },
  ],
  async handler({ expect, dry_run: dryRun, ...input }, context) {
    const candidate = await openCandidate(input, context);
    requireGood(candidate);
    const { name, room, checked } = candidate;
    const before = room.events.get(name);
    const expected = expect === NONE ? undefined : expect;
    if (expect !== undefined && before?.event_id !== expected) throw changed(candidate, expected, before?.event_id);
    requireWritable(TEMPLATE, before?.content);
    const published = publishedContent(room, name);
    const differences = contentDifferences(published, checked.template?.parsed);
    const result = { name, room_id: room.roomId, differences, findings: [...checked.findings] };
    if (published !== undefined && differences.length === 0)
      return { ...result, outcome: 'kept' as const, event_id: before?.event_id ?? null };
    if (dryRun) return { ...result, outcome: 'would be published' as const, event_id: before?.event_id ?? null };
    const eventId = await write(candidate, before?.event_id, expect !== undefined, context.signal);
    return { ...result, outcome: 'published' as const, event_id: eventId };
  },
  render: ({ name, outcome, event_id, differences, findings }) =>
    [
      ...differenceLines(differences),
      ...(findings.length > 0 ? [describeFindings(name, findings)] : []),
      outcome === 'published'
        ? `template "${name}" is published: ${event_id}`
        : outcome === 'kept'
          ? `template "${name}" is published like that already`
          : `template "${name}" would be published`,
    ].join('\n'),
});

/**
 * Matrix knows no condition on a write: what somebody else wrote in the moment between is found afterwards, in the timeline, and told
 * with its ID, so that nothing is lost without a word.
 */
async function write(
  { session, name, room, checked }: Candidate,
  before: string | undefined,
  careful: boolean,
  signal: AbortSignal,
): Promise<string> {
  const roomId = parseRoomId(room.roomId);
  const eventId = await session.client.setState(roomId, EVENT_TYPES.template, name, checked.template?.content ?? {}, { signal });
  if (!careful) return eventId;
  const { events } = await templateEvents(session, roomId, name, 2, signal);
  const at = events.findIndex((event) => event.event_id === eventId);
  const replaced = events[at + 1];
  if (replaced === undefined || replaced.event_id === before || Object.keys(replaced.content).length === 0) return eventId;
  throw new BureauError(
    'template_overwritten',
    `Published as ${eventId}, and ${replaced.sender} had written ${replaced.event_id} in the moment before; look at "bureau template history ${name}" and put together what both of you wanted`,
    { data: { event: eventId, overwritten: replaced.event_id } },
  );
}

function changed({ name }: Candidate, expected: string | undefined, found: string | undefined): BureauError {
  return new BureauError(
    'template_changed',
    `Expected ${expected ?? 'no template'} and found ${found ?? 'none'}: somebody else has changed "${name}"; see "bureau template history ${name}" and "template diff", then push with --expect ${found ?? NONE}`,
    { data: { expected: expected ?? null, found: found ?? null } },
  );
}
