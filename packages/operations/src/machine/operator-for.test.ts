// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMachineName, parseRoomId, parseServerName, parseUserId } from '@bureau/core';
import type { MachineSettings } from '@bureau/instance';
import { machineFacts, type MachineFacts } from './machine-facts.ts';
import { settingsFor } from './operator-for.ts';

const NOW = 1_000_000_000;
const HERE: MachineSettings = {
  v: 1,
  machine: parseMachineName('machine/here'),
  userId: parseUserId('@machine/here:bureau.test'),
  configRoom: parseRoomId('!here:bureau.test'),
  configRoomCreator: parseUserId('@bureau-admin:bureau.test'),
  templateRoom: parseRoomId('!templates:bureau.test'),
  agentsRoom: parseRoomId('!agents:bureau.test'),
  homeserverUrl: 'http://127.0.0.1:6167',
  serverName: parseServerName('bureau.test'),
  recipient: 'age1here',
};
const machine = parseMachineName('machine/there');
const user = parseUserId('@machine/there:bureau.test');
const ROOM = { machine, user, roomId: parseRoomId('!there:bureau.test'), creator: HERE.configRoomCreator };
const PINNED = { v: 1 as const, machine, user, at: 1, by: HERE.configRoomCreator, recipient: 'age1there' };
const NOTHING = machineFacts({ state: [], user });
const FACTS: MachineFacts = { ...NOTHING, provision: PINNED, recipient: 'age1there' };

test('settingsFor() is the other machine’s room and pinned key, and its own way to the homeserver', () => {
  const { machine: name, configRoom, recipient, templateRoom, homeserverUrl } = settingsFor(HERE, ROOM, FACTS, NOW);
  assert.deepEqual([name, configRoom, recipient, templateRoom], [machine, ROOM.roomId, 'age1there', HERE.templateRoom]);
  assert.equal(homeserverUrl, HERE.homeserverUrl);
  const far = { ...FACTS, provision: { ...PINNED, homeserverUrl: 'https://matrix.example.org' } };
  assert.equal(settingsFor(HERE, ROOM, far, NOW).homeserverUrl, 'https://matrix.example.org');
});

test('settingsFor() seals nothing for a machine whose key may not be used', () => {
  const revocation = { v: 1 as const, machine, at: 1, by: HERE.configRoomCreator, reason: 'stolen', principals: [] };
  const { recipient: _pinned, ...unpinned } = PINNED;
  for (const facts of [
    { ...FACTS, revocation },
    { ...FACTS, recipient: 'age1another' },
    { ...FACTS, provision: { ...PINNED, decommissionedAt: 5 } },
    { ...FACTS, provision: unpinned },
    { ...NOTHING, provision: PINNED },
    NOTHING,
  ]) {
    assert.throws(() => settingsFor(HERE, ROOM, facts, NOW), { code: 'machine_refused', message: /Cannot deploy to machine\/there: / });
    assert.equal(settingsFor(HERE, ROOM, facts, NOW, 'take away').configRoom, ROOM.roomId, 'what is there can be taken away');
  }
});
