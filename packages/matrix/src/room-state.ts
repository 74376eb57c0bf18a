// SPDX-License-Identifier: Apache-2.0
import type { UserId } from '@bureau/core';
import { agentMembers } from './agent-members.ts';
import type { Content } from './client-types.ts';
import { powerLevelDifferences, powerLevels, repairedPowerLevels } from './power-levels.ts';
import type { RoomKind } from './rooms.ts';
import type { StateEvent } from './schemas.ts';

/** What every room of ours starts with besides name, topic and power levels. */
export const INITIAL_STATE: readonly { readonly type: string; readonly content: Content }[] = [
  { type: 'm.room.join_rules', content: { join_rule: 'invite' } },
  // Who is let in later sees what was decided before; who is not in sees nothing.
  { type: 'm.room.history_visibility', content: { history_visibility: 'shared' } },
  { type: 'm.room.guest_access', content: { guest_access: 'forbidden' } },
];

/** One thing that is not as it should be, and the state events that put it right (absent where nothing can). */
export interface RoomFault {
  readonly check: RoomCheck;
  readonly message: string;
  readonly repairs?: readonly RoomRepair[];
}

/** What is looked at in each room, in this order. */
export const ROOM_CHECKS = ['power levels', 'join rules', 'history visibility', 'guest access', 'encryption', 'agents'] as const;
export type RoomCheck = (typeof ROOM_CHECKS)[number];

/** One state event that puts something right. */
export interface RoomRepair {
  readonly type: string;
  readonly stateKey: string;
  readonly content: Content;
}

/** Who made a room, which version it is and whether it is a space. */
export interface RoomOrigin {
  readonly creator: string;
  readonly roomVersion: string;
  readonly space: boolean;
  /** Version 12: whom the creator made equal to itself. */
  readonly furtherCreators: readonly string[];
}

/** The origin from a room's state, or `undefined` when it has no create event. Pure. */
export function roomOrigin(state: readonly StateEvent[]): RoomOrigin | undefined {
  const create = state.find((event) => event.type === 'm.room.create' && event.state_key === '');
  if (create === undefined) return undefined;
  const { room_version: version, type, additional_creators: further } = create.content;
  return {
    creator: create.sender,
    roomVersion: typeof version === 'string' ? version : '1',
    space: type === 'm.space',
    furtherCreators: Array.isArray(further) ? further.filter((user) => typeof user === 'string') : [],
  };
}

/** Everything in a room's state that is not as its kind says. Pure. */
export function roomFaults(
  kind: RoomKind,
  state: readonly StateEvent[],
  room: { readonly creator: UserId; readonly roomVersion: string; readonly assigned?: ReadonlySet<string> },
): readonly RoomFault[] {
  const faults: RoomFault[] = [];
  const expected = powerLevels(kind.powers, room);
  const levels = contentOf(state, 'm.room.power_levels') ?? {};
  const differences = powerLevelDifferences(expected, levels);
  if (differences.length > 0) {
    faults.push({
      check: 'power levels',
      message: differences.join('; '),
      repairs: [{ type: 'm.room.power_levels', stateKey: '', content: { ...repairedPowerLevels(expected, levels) } }],
    });
  }
  const settings = [
    { check: 'join rules', type: 'm.room.join_rules', field: 'join_rule', right: ['invite'] },
    { check: 'history visibility', type: 'm.room.history_visibility', field: 'history_visibility', right: ['shared', 'invited', 'joined'] },
    { check: 'guest access', type: 'm.room.guest_access', field: 'guest_access', right: ['forbidden', undefined] },
  ] as const;
  for (const { check, type, field, right } of settings) {
    const found = contentOf(state, type)?.[field];
    if ((right as readonly unknown[]).includes(found)) continue;
    faults.push({
      check,
      message: `${field} is ${JSON.stringify(found) ?? 'not set'} and should be ${JSON.stringify(right[0])}`,
      repairs: [{ type, stateKey: '', content: { [field]: right[0] } }],
    });
  }
  if (contentOf(state, 'm.room.encryption') !== undefined) {
    faults.push({
      check: 'encryption',
      message: 'the room is encrypted, so machines cannot read it; this cannot be undone: take its alias away and run the set-up again',
    });
  }
  const agents = kind.agents.admitted ? [] : agentMembers(state, room.assigned);
  if (agents.length > 0) {
    faults.push({
      check: 'agents',
      message: `${agents.join(', ')} ${agents.length === 1 ? 'is an agent' : 'are agents'} and may not be in it: ${kind.agents.reason}`,
      // As a state event it is what a kick makes of a membership.
      repairs: agents.map((user) => ({
        type: 'm.room.member',
        stateKey: user,
        content: { membership: 'leave', reason: 'agents are never members of this room' },
      })),
    });
  }
  return faults;
}

/** The content of a state event, or `undefined` where there is none. */
export function contentOf(state: readonly StateEvent[], type: string, stateKey = ''): Content | undefined {
  return state.find((event) => event.type === type && event.state_key === stateKey)?.content;
}

/** Whether an `m.space.child` content links: without a server in `via` it does not. */
export function childIsLinked(content: Content | undefined): boolean {
  const via = content?.['via'];
  return Array.isArray(via) && via.length > 0 && via.every((server) => typeof server === 'string');
}
