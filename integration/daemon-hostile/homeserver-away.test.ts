// SPDX-License-Identifier: Apache-2.0
import { after, before, test } from 'node:test';
import { startStand, type Stand } from '@bureau/testkit';
import { homeserverAway } from './homeserver-away.testing.ts';

/** `integration/soak/homeserver-away.test.ts` is the same for ten minutes. */
const AWAY_MILLISECONDS = 10_000;

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

test('a homeserver that is stopped, and a daemon that is killed meanwhile: what runs goes on, and all is live again', async (t) => {
  await homeserverAway(stand, AWAY_MILLISECONDS, t);
});
