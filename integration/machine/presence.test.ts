// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { startStand, until, type Stand } from '@bureau/testkit';

const WAIT_MILLISECONDS = 60_000;
/** Two of the machine's looks at its load, should the first one not get through. */
const LINE_MILLISECONDS = 130_000;
/** Without a goodbye a homeserver waits 30 s for the next sync. */
const GOODBYE_MILLISECONDS = 15_000;

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

/** Ends one service, which is started again, and waits for its successor. */
async function restart(role: 'homeserver' | 'daemon'): Promise<void> {
  const { pid } = stand.process(role);
  process.kill(pid, 'SIGTERM');
  await until(`another ${role}`, WAIT_MILLISECONDS, () =>
    stand.processes().some((each) => each.role === role && each.pid !== pid && !each.zombie),
  );
}

/** What an operator, who shares the config room, sees of the machine's user. */
async function presence(): Promise<Record<string, unknown>> {
  const { body } = await stand.matrix(`/_matrix/client/v3/presence/${encodeURIComponent(stand.facts.machine)}/status`);
  return body;
}

test('where the homeserver keeps presence, the machine is online with a line of what it does, and offline when it says goodbye', async () => {
  const file = `${stand.paths.homeserverStateDirectory}/homeserver.json`;
  const config = JSON.parse(readFileSync(file, 'utf8')) as { presence: object };
  assert.deepEqual(config.presence, { enabled: false });
  // The goodbye comes soon after what was said first, and by default a user may say something every ten seconds.
  const rc_presence = { per_user: { per_second: 100, burst_count: 100 } };
  writeFileSync(file, JSON.stringify({ ...config, presence: { enabled: true }, rc_presence }));
  await restart('homeserver');
  await until('the homeserver', WAIT_MILLISECONDS, () => stand.homeserverAnswers());
  // Its first look at its load comes soon after its start.
  await restart('daemon');
  const there = await until('a line of the machine', LINE_MILLISECONDS, async () => {
    const found = await presence();
    return typeof found['status_msg'] === 'string' ? found : undefined;
  });
  assert.equal(there['presence'], 'online');
  assert.match(String(there['status_msg']), /^0 sandboxes, \d+% CPU$/);
  // No successor is started while the service manager stands still.
  const manager = stand.process('stand').pid;
  const daemon = stand.process('daemon').pid;
  process.kill(manager, 'SIGSTOP');
  try {
    process.kill(daemon, 'SIGTERM');
    await until('goodbye', GOODBYE_MILLISECONDS, async () => (await presence())['presence'] === 'offline');
  } finally {
    process.kill(manager, 'SIGCONT');
  }
});
