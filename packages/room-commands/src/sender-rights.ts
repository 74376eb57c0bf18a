// SPDX-License-Identifier: Apache-2.0
import { hasCode, type RoomId } from '@bureau/core';
import { contentOf, powerOf, type Content, type MatrixClient, type Power, type StateEvent } from '@bureau/matrix';

/** What somebody is in a room. */
export interface Standing {
  readonly power: Power;
  readonly joined: boolean;
}

/** A sender's standing when the command was sent, and now. */
export interface SenderRights {
  readonly whenSent: Standing;
  readonly now: Standing;
}

const TYPES = ['m.room.create', 'm.room.power_levels', 'm.room.member'];

/**
 * Asks the homeserver what the sender of an event was when it was sent, and what the sender is now: who rises later did not have the
 * right then, and who fell since has it no more. Throws when it cannot be known; an event that is not there (any more) gives nobody a right.
 */
export async function senderRights(
  client: MatrixClient,
  room: RoomId,
  event: string,
  sender: string,
  options: { readonly signal?: AbortSignal },
): Promise<SenderRights> {
  try {
    const sent = await client.stateAt(room, event, TYPES, options);
    const [levels, member] = await Promise.all([
      client.state(room, 'm.room.power_levels', '', options),
      client.state(room, 'm.room.member', sender, options),
    ]);
    // Who made a room never changes; the rest is as it is now.
    const now = [
      ...sent.filter(({ type }) => type === 'm.room.create'),
      ...stateEvents('m.room.power_levels', '', levels),
      ...stateEvents('m.room.member', sender, member),
    ];
    return { whenSent: standingOf(sent, sender), now: standingOf(now, sender) };
  } catch (error) {
    if (!hasCode(error, 'matrix_not_found')) throw error;
    const nobody: Standing = { power: 0, joined: false };
    return { whenSent: nobody, now: nobody };
  }
}

/** Whether both standings reach a level. Pure. */
export function mayCommand({ whenSent, now }: SenderRights, level: number): boolean {
  return [whenSent, now].every(({ power, joined }) => joined && (power === 'unlimited' || power >= level));
}

function standingOf(state: readonly StateEvent[], sender: string): Standing {
  return { power: powerOf(state, sender), joined: contentOf(state, 'm.room.member', sender)?.['membership'] === 'join' };
}

function stateEvents(type: string, stateKey: string, content: Content | undefined): StateEvent[] {
  return content === undefined ? [] : [{ type, state_key: stateKey, sender: '', content: { ...content } }];
}
