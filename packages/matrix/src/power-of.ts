// SPDX-License-Identifier: Apache-2.0
import { creatorIsListed } from './power-levels.ts';
import { contentOf, roomOrigin } from './room-state.ts';
import type { StateEvent } from './schemas.ts';

/** A level, or what the creators of a room have from version 12 on: above every number. */
export type Power = number | 'unlimited';

/** What a user may do in a room with this state. Pure. https://spec.matrix.org/v1.16/client-server-api/#mroompower_levels */
export function powerOf(state: readonly StateEvent[], user: string): Power {
  const origin = roomOrigin(state);
  const isCreator = origin !== undefined && (origin.creator === user || origin.furtherCreators.includes(user));
  if (isCreator && !creatorIsListed(origin.roomVersion)) return 'unlimited';
  const levels = contentOf(state, 'm.room.power_levels');
  if (levels === undefined) return isCreator ? 100 : 0;
  const users = levels['users'];
  const own = typeof users === 'object' && users !== null ? (users as Record<string, unknown>)[user] : undefined;
  return level(own) ?? level(levels['users_default']) ?? 0;
}

/** The level that a state event of this type needs. Pure. */
export function requiredPower(state: readonly StateEvent[], type: string): number {
  const levels = contentOf(state, 'm.room.power_levels');
  if (levels === undefined) return 0;
  const events = levels['events'];
  const own = typeof events === 'object' && events !== null ? (events as Record<string, unknown>)[type] : undefined;
  return level(own) ?? level(levels['state_default']) ?? 50;
}

function level(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
