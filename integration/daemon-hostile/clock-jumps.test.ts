// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { ClockBuild, runCommand, startStand, until, type Stand } from '@bureau/testkit';
import { principalOf, sandboxes, statusOf, type Status } from './stand.testing.ts';

const UP_MILLISECONDS = 60_000;
const WAIT_MILLISECONDS = 60_000;
/** A pause that began before the clock was set ends as it would have: at most 60 s, and a minute more on a machine under load. */
const AGAIN_MILLISECONDS = 120_000;
const DAY = 86_400_000;
const KEPT = 'clock/kept';
const ENDING = 'clock/ending';

let stand: Stand;
let build: ClockBuild;
/** Payload and relay of the agent that nothing here may touch. */
let kept: string[];
before(async () => {
  stand = await startStand({ demo: false });
  build = new ClockBuild(stand.paths);
  const library = realpathSync(`${stand.paths.homeserverStateDirectory}/library`);
  const words = [`${build.path}/lib/cli.js`, '--instance', stand.name, 'stand', 'up', '--no-demo', '--homeserver-library', library];
  const { code, stderr } = await runCommand(`${build.path}/bin/node`, words, { timeoutMilliseconds: UP_MILLISECONDS });
  assert.equal(code, 0, stderr);
  await deploys(KEPT, ['sleep', '6611']);
  await until(`${KEPT} runs`, WAIT_MILLISECONDS, async () => (await principalOf(stand, KEPT))?.state === 'running');
  await stand.leaks.atRest();
  kept = sandboxes(stand);
  // It may have ended before somebody who waits hears that it runs.
  await deploys(ENDING, ['sh', '-c', 'sleep 0.1'], ['--no-wait']);
  await until('it ends and starts again', WAIT_MILLISECONDS, async () => ((await ending()).restarts ?? 0) >= 1);
});
after(async () => {
  await stand.end();
  build[Symbol.dispose]();
});

async function deploys(name: string, words: readonly string[], options: readonly string[] = []): Promise<void> {
  const { code, stderr } = await stand.bureau(['agent', 'deploy', name, ...options, '--', ...words]);
  assert.equal(code, 0, stderr);
}

/** What is said of the agent that ends; nothing while nobody says anything. */
async function ending(): Promise<Partial<Status>> {
  return (await principalOf(stand, ENDING)) ?? {};
}

/** It is started anew, which ends its row of pauses that grow, and is in the second one of the next row, of 4 s. */
async function waitsAnew(): Promise<void> {
  const { observedGeneration: former = -1 } = await ending();
  // May fail: that it runs is over before it is told.
  await stand.bureau(['agent', 'restart', ENDING]);
  await until('its second pause', WAIT_MILLISECONDS, async () => {
    const { state, restarts = 0, observedGeneration = -1 } = await ending();
    return observedGeneration > former && state === 'backing_off' && restarts >= 1;
  });
}

/** The agent that ends and starts again does so within its pauses, whatever is `done` to it; `KEPT` is not touched. */
async function startsAgain(done: () => void): Promise<void> {
  const before = await until('the daemon to answer', WAIT_MILLISECONDS, async () => (await ending()).restarts);
  done();
  await until('it starts again in time', AGAIN_MILLISECONDS, async () => ((await ending()).restarts ?? 0) > before);
  await assertKept();
}

async function assertKept(): Promise<void> {
  assert.deepEqual(
    kept.filter((each) => !sandboxes(stand).includes(each)),
    [],
    `${KEPT} was touched`,
  );
  await until(`it is live, and says that ${KEPT} runs`, WAIT_MILLISECONDS, async () => {
    return (await statusOf(stand))?.sync === 'live' && (await principalOf(stand, KEPT))?.state === 'running';
  });
}

for (const [what, offset] of [
  ['a day forward', DAY],
  ['a day back', 0],
] as const)
  test(`the clock is set ${what}: nothing that runs is touched, and what waits goes on waiting as long as it would have`, async () => {
    await waitsAnew();
    await startsAgain(() => build.set(offset));
  });

test('the clock was set back while no daemon ran: its notes of a time that has not come yet hold nothing up', async () => {
  await waitsAnew();
  await startsAgain(() => build.set(DAY));
  await waitsAnew();
  await startsAgain(() => {
    process.kill(stand.process('daemon').pid, 'SIGKILL');
    build.set(0);
  });
});

test('the clock is set to a day before the keys were sealed: nothing that runs is touched, starts say that keys are not valid yet, until it is right again', async () => {
  await waitsAnew();
  build.set(-DAY);
  await until('it says so', AGAIN_MILLISECONDS, async () => /future|not yet|clock/.test((await principalOf(stand, ENDING))?.message ?? ''));
  await assertKept();
  await startsAgain(() => build.set(0));
});
