// SPDX-License-Identifier: Apache-2.0
import { EVENT_TYPES } from '@bureau/protocol';

/** The level of operators: what decides over sandboxes is theirs alone. */
const OPERATOR_LEVEL = 100;

/**
 * Why the templates of a room are not to be believed now, by the content of its `m.room.power_levels`, or nothing. The homeserver judges
 * writers by these levels; a level that somebody lowered, by mistake or not, would let others decide what starts. Nothing also where the levels are
 * not known (`undefined`): the room was made with them and nobody can take them away, so they have only not come yet.
 */
export function templateDistrust(powerLevels: unknown): string | undefined {
  if (powerLevels === undefined) return undefined;
  const levels = record(powerLevels);
  const events = record(levels?.['events']);
  const level = events !== undefined && EVENT_TYPES.template in events ? events[EVENT_TYPES.template] : (levels?.['state_default'] ?? 50);
  if (typeof level === 'number' && level >= OPERATOR_LEVEL) return undefined;
  return `members of level ${JSON.stringify(level)} may write templates in the template room (expected ${OPERATOR_LEVEL}), so none of it is believed; "bureau matrix doctor --fix" repairs the levels, "bureau template history" shows who wrote`;
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
}
