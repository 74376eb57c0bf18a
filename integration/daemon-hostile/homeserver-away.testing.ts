// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { until, type Stand } from '@bureau/testkit';
import { runs, sandboxes, statusOf } from './stand.testing.ts';

const WAIT_MILLISECONDS = 60_000;
/** A daemon that asks a homeserver which is silent gives a request up after 100 s, and asks again within 10 s. */
const BACK_MILLISECONDS = 150_000;
const KEPT = 'away/kept';
const ENDING = 'away/ending';

/**
 * Stops the homeserver for so long, and kills the daemon meanwhile: what runs goes on, what ends starts again by its policy, all from
 * the last good state; when the homeserver is back, so is everything.
 */
export async function homeserverAway(stand: Stand, milliseconds: number, t: TestContext): Promise<void> {
  for (const [name, words] of [
    [KEPT, ['sleep', '5511']],
    [ENDING, ['sleep', '5522']],
  ] as const) {
    const { code, stderr } = await stand.bureau(['agent', 'deploy', name, '--', ...words]);
    assert.equal(code, 0, stderr);
  }
  await until('both run', WAIT_MILLISECONDS, () => runs(stand, '5511') && runs(stand, '5522'));
  const number = stand
    .processes()
    .find(({ role, args }) => role.startsWith('payload:') && args.includes('5511'))
    ?.role.split(':')[1];
  const mine = (): string[] => sandboxes(stand).filter((each) => new RegExp(`^(payload|relay):${number} `).test(each));
  await stand.leaks.atRest();
  const kept = mine();
  const homeserver = stand.process('homeserver').pid;
  const stopped = Date.now();
  process.kill(homeserver, 'SIGSTOP');
  try {
    const daemon = stand.process('daemon').pid;
    process.kill(daemon, 'SIGKILL');
    await until('another daemon that says what runs', WAIT_MILLISECONDS, async () => {
      const principals = (await statusOf(stand))?.principals ?? [];
      return principals.filter(({ state }) => state === 'running').length === 2;
    });
    assert.notEqual(stand.process('daemon').pid, daemon);
    assert.deepEqual(mine(), kept, 'nobody was touched');
    const payload = stand.processes().find(({ args, program }) => program === 'sleep' && args.includes('5522'));
    assert.ok(payload !== undefined);
    process.kill(payload.pid, 'SIGKILL');
    await until('what ended is started again, by what the rooms said last', WAIT_MILLISECONDS, () =>
      stand
        .processes()
        .some(({ args, program, pid, zombie }) => !zombie && program === 'sleep' && args.includes('5522') && pid !== payload.pid),
    );
    assert.notEqual((await statusOf(stand))?.sync, 'live');
    await until('the time is over', milliseconds + WAIT_MILLISECONDS, () => Date.now() - stopped >= milliseconds);
    assert.deepEqual(mine(), kept, 'nobody was touched in all that time');
  } finally {
    process.kill(homeserver, 'SIGCONT');
  }
  const back = Date.now();
  await until('the daemon is live', BACK_MILLISECONDS, async () => (await statusOf(stand))?.sync === 'live');
  t.diagnostic(`away for ${back - stopped} ms, live again ${Date.now() - back} ms after`);
  const { code, stderr } = await stand.bureau(['agent', 'deploy', ENDING, '--', 'sleep', '5533']);
  assert.equal(code, 0, stderr);
  await until('a change arrives', WAIT_MILLISECONDS, () => runs(stand, '5533') && !runs(stand, '5522'));
  assert.deepEqual(mine(), kept);
}
