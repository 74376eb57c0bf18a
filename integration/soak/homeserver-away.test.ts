// SPDX-License-Identifier: Apache-2.0
// Ten minutes of real time without a homeserver, in which the daemon is killed.
import { after, before, test } from 'node:test';
import { startStand, type Stand } from '@bureau/testkit';
import { homeserverAway } from '../daemon-hostile/homeserver-away.testing.ts';

const AWAY_MILLISECONDS = 600_000;

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

test('ten minutes without a homeserver, and a daemon that is killed meanwhile: what runs goes on, and all is live again', async (t) => {
  await homeserverAway(stand, AWAY_MILLISECONDS, t);
});
