// SPDX-License-Identifier: Apache-2.0
import type { InspectedRoom } from './inspect-room.ts';
import { printable, printableJson, shortened } from './printable.ts';
import { textTable } from './text-table.ts';

/** Characters of one content: a bundle has thousands, and JSON has them all. */
const CONTENT_MAX = 200;

/** A room for a person: facts, power levels by tier, members, ties, state by kind. Pure. */
export function renderInspected(room: InspectedRoom): string {
  const facts: [string, string | undefined][] = [
    ['Room', room.room_id],
    ['Alias', room.alias],
    ['Name', room.name],
    ['Topic', room.topic],
    ['Version', room.room_version],
    ['Type', room.room_type],
    ['Creator', room.creator],
  ];
  const lines = facts.flatMap(([label, value]) => (value === undefined ? [] : [`${label.padEnd(8)} ${printable(value)}`]));
  return [
    lines.join('\n'),
    ...powerSection(room),
    section(
      `Members (${room.member_count} in the room)`,
      textTable(
        ['USER ID', 'DISPLAY NAME', 'MEMBERSHIP', 'POWER'],
        room.members.map(({ user_id, display_name, membership, power_level }) => [
          user_id,
          display_name ?? '',
          membership,
          String(power_level),
        ]),
        'nobody',
      ),
    ),
    ...(room.space_children === undefined ? [] : [section('Rooms of the space', room.space_children.map(printable).join('\n'))]),
    ...(room.space_parents === undefined ? [] : [section('Spaces above', room.space_parents.map(printable).join('\n'))]),
    ...stateSection('Bureau state', room.bureau_state),
    ...stateSection('Matrix state', room.matrix_state),
    ...stateSection('Other state', room.other_state),
  ].join('\n\n');
}

/** What each level may do, the lowest first: who has it and which events it opens. */
function powerSection({ power_levels: levels }: InspectedRoom): string[] {
  if (levels === undefined) return [];
  const { users, events, users_default, events_default, state_default, ...actions } = levels;
  const tiers = new Map<number, string[]>();
  const note = (level: number, what: string): void => void tiers.set(level, [...(tiers.get(level) ?? []), printable(what)]);
  note(users_default, 'every member');
  for (const [user, level] of Object.entries(users)) note(level, user);
  note(events_default, 'messages');
  note(state_default, 'other state events');
  for (const [action, level] of Object.entries(actions)) note(level, action);
  for (const [type, level] of Object.entries(events)) note(level, type);
  const rows = [...tiers.keys()]
    .toSorted((a, b) => a - b)
    .map((level) => `${String(level).padStart(5)}  ${(tiers.get(level) ?? []).join(', ')}`);
  return [section('Power levels', rows.join('\n'))];
}

function stateSection(title: string, groups: InspectedRoom['bureau_state']): string[] {
  if (groups === undefined) return [];
  const lines = groups.flatMap(({ event_type, events }) => [
    printable(event_type),
    ...events.map(({ state_key, sender, content }) => {
      const key = state_key === '' ? '' : `${printable(state_key)} `;
      return `    ${key}${shortened(printableJson(content), CONTENT_MAX)} (${printable(sender)})`;
    }),
  ]);
  return [section(title, lines.join('\n'))];
}

function section(title: string, body: string): string {
  return `${title}\n${body.replaceAll(/^/gm, '  ')}`;
}
