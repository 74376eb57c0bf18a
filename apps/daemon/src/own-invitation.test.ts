// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRoomId, parseUserId } from '@bureau/core';
import type { MachineSettings } from '@bureau/instance';
import { isOwnInvitation } from './own-invitation.ts';

const CREATOR = parseUserId('@bureau-admin:bureau.test');
const OTHER = '@ann:bureau.test';
const CONFIG = parseRoomId('!config:bureau.test');
const AGENTS = parseRoomId('!agents:bureau.test');
const NAMED = parseRoomId('!named:bureau.test');
const machine = { configRoom: CONFIG, templateRoom: parseRoomId('!template:bureau.test'), agentsRoom: AGENTS, configRoomCreator: CREATOR };

function accepts(from: string | undefined, room = AGENTS, levels: Record<string, number> = {}, creator: string = CREATOR): boolean {
  const facts: Record<string, { sender: string; content: Record<string, unknown> }> = {
    'm.room.create': { sender: creator, content: { room_version: '12' } },
    'm.room.power_levels': { sender: creator, content: { users: levels, users_default: 0 } },
  };
  const state = (_room: string, type: string) => [{ stateKey: '', eventId: `$${type}`, ...(facts[type] ?? { sender: '', content: {} }) }];
  return isOwnInvitation({ room, from }, machine as MachineSettings, { state }, [NAMED]);
}

test('isOwnInvitation() takes up what the creator or an operator of the config room sent, into a room that is known', () => {
  for (const room of [CONFIG, AGENTS, NAMED]) assert.equal(accepts(CREATOR, room), true, room);
  assert.equal(accepts(OTHER, AGENTS, { [OTHER]: 100 }), true);
});

test('isOwnInvitation() declines all others', () => {
  assert.equal(accepts(CREATOR, parseRoomId('!other:bureau.test')), false);
  assert.equal(accepts(undefined), false);
  assert.equal(accepts(OTHER), false);
  assert.equal(accepts(OTHER, AGENTS, { [OTHER]: 99 }), false);
  assert.equal(accepts(OTHER, AGENTS, { [OTHER]: 100 }, OTHER), false, 'a room that somebody else made says nothing');
});
