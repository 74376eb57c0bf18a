// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { ClockBuild, runCommand, startStand, until, type Stand } from '@bureau/testkit';
import { principalOf, sandboxes, statusOf } from './stand.testing.ts';

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
  await deploys(ENDING, ['sh', '-c', 'sleep 0.1']);
  await until('it ends and starts again', WAIT_MILLISECONDS, async () => (await restarts(ENDING)) >= 1);
});
after(async () => {
  await stand.end();
  build[Symbol.dispose]();
});

async function deploys(name: string, words: readonly string[]): Promise<void> {
  const { code, stderr } = await stand.bureau(['agent', 'deploy', name, '--', ...words]);
  assert.equal(code, 0, stderr);
}

/** How often an agent has been started again. */
async function restarts(name: string): Promise<number> {
  const status = (await principalOf(stand, name)) as { restarts?: number } | undefined;
  return status?.restarts ?? 0;
}

/** The agent that ends and starts again does so within its pauses; `KEPT` is not touched. */
async function startsAgain(): Promise<void> {
  const before = await restarts(ENDING);
  await until('it starts again in time', AGAIN_MILLISECONDS, async () => (await restarts(ENDING)) > before);
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
    build.set(offset);
    await startsAgain();
  });

test('the clock was set back while no daemon ran: its notes of a time that has not come yet hold nothing up', async () => {
  build.set(DAY);
  await startsAgain();
  process.kill(stand.process('daemon').pid, 'SIGKILL');
  build.set(0);
  await startsAgain();
});

test('the clock is set to a day before the keys were sealed: nothing that runs is touched, starts say that keys are not valid yet, until it is right again', async () => {
  build.set(-DAY);
  await until('it says so', AGAIN_MILLISECONDS, async () => /future|not yet|clock/.test((await principalOf(stand, ENDING))?.message ?? ''));
  await assertKept();
  build.set(0);
  await startsAgain();
});
