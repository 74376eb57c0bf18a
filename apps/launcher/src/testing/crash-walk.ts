// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { hasCode } from '@bureau/core';
import type { FaultPoint } from '@bureau/sandbox';
import { CrashStand, PRINCIPAL, type RunningLauncher } from './crash-stand.ts';

/** Any wait of this test. The longest that is met is a relay that gives up, 100 ms. */
const WAIT_MILLISECONDS = 10_000;
const LOOK_MILLISECONDS = 10;
/** One sandbox: the relay (as Node calls its main thread), its starter, bubblewrap, its init, the payload. */
const ONE = 'MainThread bureau-starter bwrap bwrap sleep';

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MILLISECONDS;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `no ${what} within ${WAIT_MILLISECONDS} ms`);
    await delay(LOOK_MILLISECONDS);
  }
}

/** From nothing to a running sandbox and back to nothing, as a daemon does it. */
async function wholeLife(stand: CrashStand, { client }: RunningLauncher, id: string): Promise<void> {
  await client.call('create', await stand.input(client, id), { deadlineMilliseconds: WAIT_MILLISECONDS });
  await until('running sandbox', async () => (await client.call('list', {})).sandboxes[0]?.state === 'running');
  await client.call('destroy', { principal: PRINCIPAL, id, graceMilliseconds: 5_000 }, { deadlineMilliseconds: WAIT_MILLISECONDS });
  await client.call('forget', { principal: PRINCIPAL, id });
}

/**
 * Kills (-9) a launcher at each of these points in turn, in the life of one sandbox, starts another, and asserts that it knows or has
 * cleared all of it, that asking again makes one sandbox and not two, and that a whole life after it leaves nothing.
 */
export async function walkCrashes(context: TestContext, points: readonly FaultPoint[]): Promise<void> {
  const stand = await CrashStand.open(context);
  let round = 0;
  for (const point of points) {
    const began = performance.now();
    round += 1;
    const id = `a-${round}`;
    const first = await stand.start(point);
    await assert.rejects(wholeLife(stand, first, id), (error) => hasCode(error, 'connection_lost'), point);
    assert.equal((await first.child.exited).signal, 'SIGKILL', point);

    const second = await stand.start();
    const known = async (): Promise<string> => (await second.client.call('list', {})).sandboxes[0]?.state ?? 'nothing';
    // Either it lives, once, and is known to; or nothing of it is left but the word that it has ended.
    await until(`convergence after ${point}: ${await known()}, ${stand.remains(0).join(' ')}`, async () => {
      if ((await known()) === 'running') return stand.processes(0).join(' ') === ONE;
      return ['nothing', 'exited'].includes(await known()) && stand.remains(0).length === 0;
    });
    const found = await known();

    // The daemon asks again for what it wants: there is one of it, not two.
    const input = await stand.input(second.client, id);
    const answer = await second.client.call('create', input, { deadlineMilliseconds: WAIT_MILLISECONDS });
    assert.equal(answer.state === 'exited', found === 'exited', `${point}: ${found}, then ${answer.state}`);
    if (answer.state !== 'exited') {
      await until(`one payload, found ${stand.processes(0).join(' ')}`, () => stand.processes(0).join(' ') === ONE);
      const exit = await second.client.call('destroy', { principal: PRINCIPAL, id, graceMilliseconds: 5_000 });
      assert.equal(exit.reason, 'stopped', point);
    }
    await second.client.call('forget', { principal: PRINCIPAL, id });
    // The kernel takes a process out of its group a moment before it is a zombie: an emptied group may still show one that ends.
    await until(`end of ${stand.remains(0).join(' ')} after ${point}`, () => stand.remains(0).length === 0);
    assert.deepEqual(await known(), 'nothing', point);
    assert.deepEqual(
      stand.stateFiles().filter((name) => !/^(0\.bundle\.(age|json)|identity.*|recipient|principals\.json)$/.test(name)),
      [],
      point,
    );
    await second.stop();
    context.diagnostic(`${point}: ${found}, ${Math.round(performance.now() - began)} ms`);
  }
}
