// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseLocalpart, parseUserId, type RoomId } from '@bureau/core';
import { MatrixClient } from '@bureau/matrix';
import { systemClock } from '@bureau/process';
import { startHomeserver, type TestHomeserver } from '@bureau/testkit/homeserver';
import { mayCommand, senderRights } from './sender-rights.ts';

const OWNER = '@owner:bureau.test';
const BEN = parseUserId('@ben:bureau.test');

describe('senderRights on a real homeserver', () => {
  let directory: string;
  let homeserver: TestHomeserver;
  let owner: MatrixClient;
  let ben: MatrixClient;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'bureau-rights-'));
    chmodSync(directory, 0o711);
    homeserver = await startHomeserver({ directory: join(directory, 'homeserver'), uid: 264_151 });
    const registrationToken = readFileSync(homeserver.tokenFile, 'latin1').trim();
    const client = new MatrixClient({ homeserverUrl: homeserver.url, clock: systemClock });
    const account = async (name: string): Promise<MatrixClient> => {
      const registration = { username: parseLocalpart(name), password: `password of ${name}`, registrationToken, deviceId: 'TEST' };
      return client.withToken((await client.register(registration)).accessToken);
    };
    [owner, ben] = [await account('owner'), await account('ben')];
  });
  after(async () => {
    await homeserver?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const roomVersion of ['11', '12']) {
    test(`what somebody was and is, room version ${roomVersion}: the creator, one who rose, one who fell, one who left`, async () => {
      const users = roomVersion === '11' ? { [OWNER]: 100 } : {};
      const levels = (power: number) => ({ users: { ...users, [BEN]: power }, events_default: 0, state_default: 100 });
      const room: RoomId = await owner.createRoom({ roomVersion, name: 'x', topic: '', powerLevels: levels(0), invite: [BEN] });
      await ben.join(room);
      const say = (client: MatrixClient): Promise<string> => client.send(room, 'm.room.message', { msgtype: 'm.text', body: 'x' });
      const may = async (event: string, user: string): Promise<boolean> =>
        mayCommand(await senderRights(owner, room, event, user, {}), 100);

      assert.ok(await may(await say(owner), OWNER));
      const low = await say(ben);
      assert.ok(!(await may(low, BEN)));
      await owner.setState(room, 'm.room.power_levels', '', levels(100));
      const high = await say(ben);
      assert.ok(!(await may(low, BEN)), 'he had not risen when he sent it');
      assert.ok(await may(high, BEN));
      // In version 12 only its creators stand above level 100; in 11 nobody but himself may take it away.
      await (roomVersion === '11' ? ben : owner).setState(room, 'm.room.power_levels', '', levels(0));
      assert.ok(!(await may(high, BEN)), 'he has fallen since');
      await owner.setState(room, 'm.room.power_levels', '', levels(100));
      assert.ok(await may(high, BEN));
      await ben.leave(room);
      assert.ok(!(await may(high, BEN)), 'he has left since');
      assert.ok(!(await may('$never:bureau.test', OWNER)), 'nobody sent this');
    });
  }
});
