// SPDX-License-Identifier: Apache-2.0
import { toJsonSchema } from '@valibot/to-json-schema';
import type { EventDefinition } from '../../packages/protocol/src/index.ts';

const HEAD = `<!-- Written by script/check --write events-reference, from packages/protocol/src/events. Not to be edited. -->

# Matrix events

Every event type of ours that one machine needs. Contents carry \`v\`; a reader leaves out fields that it does not know and reads no newer
\`v\` than its own; a writer does not write over a newer one. Numbers are integers, times milliseconds since 1970, sizes bytes. An empty
state content (\`{}\`) says that there is none. Who may write is enforced by the homeserver: by the room's power levels, and by state keys
that are the sender's own user ID. JSON Schema cannot say all that the code checks (names of principals, for one); the code has the last word.
`;

const STATE_KEYS: Readonly<Record<EventDefinition['stateKey'], string>> = {
  principal: "the principal's name",
  'machine user': "the machine's full user ID",
  user: "the sender's full user ID",
  template: "the template's name",
  identifier: 'a name that its writer chooses',
  empty: 'empty',
  none: 'none: an event of the timeline',
};

/** The whole page; the same text for the same definitions. */
export function eventsReference(events: readonly EventDefinition[]): string {
  const index = events.map(({ type, summary }) => `| [${code(type)}](#${anchor(type)}) | ${summary} |`);
  return [HEAD, '| event | what it says |', '| --- | --- |', ...index, '', ...events.flatMap(section)].join('\n');
}

function section({ type, summary, rooms, stateKey, writer, version, reserved, schema }: EventDefinition): string[] {
  const { $schema: _dialect, ...plain } = toJsonSchema(schema, { typeMode: 'input', errorMode: 'ignore' });
  return [
    `## ${type}`,
    '',
    `${summary}.${reserved ? ' **Reserved**: nothing writes or reads it yet.' : ''}`,
    '',
    `Room: ${rooms.join(', ')} · state key: ${STATE_KEYS[stateKey]} · written by: ${writer} · \`v\`: ${version}`,
    '',
    '```json',
    JSON.stringify(plain, null, 2),
    '```',
    '',
  ];
}

function code(type: string): string {
  return `\`${type}\``;
}

/** As GitHub makes it of a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^a-z0-9 _-]/g, '')
    .replaceAll(' ', '-');
}
