// SPDX-License-Identifier: Apache-2.0
// From the plan to "go": what lets a command run, and what keeps it from running for good.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { peerCredentials } from '@bureau/native';
import { atTerm, eventually, gone } from './testing/process-facts.ts';
import { BUILDS, GATE, planOf, STANDS, STARTER_UID, StarterPrograms, type StarterFixture } from './testing/starter-fixture.ts';

const programs = new StarterPrograms();
const HONEST = `${STANDS}; ${GATE}; echo ran; exit 0`;
/** Never stands by itself. */
const SLOW = 'read -r line; exit 0';

/** Somebody who connects, for the test. */
async function dial(context: TestContext, path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => undefined);
  context.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Asserts what a relay hears of a command that was not run. */
function assertNotRun(starter: StarterFixture, failure: RegExp): void {
  const taken = starter.takeOver()!;
  assert.match(taken.failure, failure);
  assert.ok(taken.gate !== undefined, 'the way to let it run is the relay’s');
  assert.deepEqual(taken.early, []);
  assert.equal(starter.outputLog.length, 0);
}

for (const build of BUILDS) {
  test(`${build}: "go" before the sandbox stands, and a word that is no "go", are refused for good`, async () => {
    for (const [script, word] of [
      [SLOW, 'g'],
      [SLOW, 'x'],
      [HONEST, 'x'],
      [HONEST, '\0'],
      [HONEST, 'xg'],
    ] as const) {
      await using starter = programs.born(build);
      starter.plan(planOf(script));
      if (script === HONEST) await starter.stands();
      starter.say(word);
      assertNotRun(starter, /^Expected the launcher to say "go", found another word; the command was not run$/);
    }
  });

  test(`${build}: whoever waits for a report hears that there will be none, before the relay has said that it has taken over`, async () => {
    await using starter = programs.born(build);
    starter.plan(planOf(SLOW));
    starter.say('x');
    assert.ok(starter.takeOver({ confirm: false }) !== null);
    await assert.rejects(starter.report(), { code: 'peer_gone' });
  });

  test(`${build}: "go" counts once: another one, or what else comes behind it, changes nothing`, async () => {
    await using starter = programs.born(build);
    starter.plan(planOf(`${STANDS}; ${GATE}; echo ran; /usr/bin/head -c 1 <&6; exit 0`));
    await starter.stands();
    starter.say('ggx');
    assert.deepEqual(await starter.report(), { type: 'running' });
    await eventually('nothing runs', () => (starter.outputLog.length > 0 ? true : undefined));
    starter.leave('launcher');
    const taken = starter.takeOver()!;
    assert.deepEqual([taken.failure, taken.gate], ['', undefined]);
    assert.deepEqual(
      taken.early.map(({ data }) => data.toString()),
      ['ran\n'],
    );
    // It waits for a byte more at its gate: there is none.
    assert.equal(starter.process.exitCode, null);
  });

  test(`${build}: a launcher that goes away before "go" has said that it does not want it`, async () => {
    for (const script of [SLOW, HONEST]) {
      await using starter = programs.born(build);
      starter.plan(planOf(script));
      const pid = script === HONEST ? await starter.stands() : 0;
      starter.leave('launcher');
      const taken = starter.takeOver()!;
      assert.equal(taken.failure, 'The launcher went away before it said "go"; the command was not run');
      assert.deepEqual([taken.init ?? 0, taken.gate === undefined], [pid, false]);
    }
  });

  test(`${build}: a launcher that says "go" and goes away has a command that runs`, async () => {
    await using starter = programs.born(build);
    starter.plan(planOf(`${STANDS}; ${GATE}; read -r line; echo ran; exit 0`));
    await starter.stands();
    starter.say('g');
    starter.leave('launcher');
    starter.leave('reports');
    const taken = starter.takeOver()!;
    assert.deepEqual([taken.failure, taken.gate, taken.early], ['', undefined, []]);
  });

  test(`${build}: what waits for an observer is not let run, and is handed over at "go"`, async () => {
    await using starter = programs.born(build);
    starter.plan(planOf(HONEST, { holdForObserver: true }));
    const pid = await starter.stands();
    starter.say('g');
    const taken = starter.takeOver()!;
    assert.deepEqual([taken.failure, taken.init, taken.early, taken.scratch], ['', pid, [], []]);
    assert.ok(taken.gate !== undefined);
    starter.leave('launcher');
    // No report of a command that runs: that is its relay's.
    await assert.rejects(starter.report(), { code: 'peer_gone' });
    starter.close(taken.gate);
    assert.equal(starter.process.exitCode, null, 'nor is it let run by an end of the gate');
  });

  test(`${build}: whoever connects is told the payload's user once the plan was read, and wakes the relay when the command runs`, async (context) => {
    await using starter = programs.born(build);
    starter.plan(planOf(`${STANDS}; ${GATE}; read -r line; exit 0`));
    await starter.stands();
    const before = await dial(context, starter.socketPath);
    assert.equal(peerCredentials(before).uid, STARTER_UID);
    // Before "go" there is nothing to serve: only what runs is handed over.
    starter.say('g');
    assert.deepEqual(await starter.report(), { type: 'running' });
    const taken = starter.takeOver()!;
    assert.deepEqual([taken.failure, taken.gate], ['', undefined]);
    const later = await dial(context, starter.socketPath);
    assert.deepEqual(
      [peerCredentials(later).uid, peerCredentials(later).gid, peerCredentials(later).pid],
      [STARTER_UID, STARTER_UID, starter.pid],
    );
  });

  test(`${build}: somebody who connects after "go" wakes the relay at once`, async (context) => {
    await using starter = programs.born(build);
    await starter.runs(planOf(`${STANDS}; ${GATE}; read -r line; exit 0`));
    const since = performance.now();
    await dial(context, starter.socketPath);
    assert.equal(starter.takeOver()!.failure, '');
    assert.ok(performance.now() - since < 3_000, 'not by its patience of 5 s');
  });

  test(`${build}: a TERM before "go" means that the command is not run; after it that the relay is to answer`, async () => {
    for (const [stage, failure, released] of [
      ['plan', 'The sandbox was stopped before its command ran', false],
      ['stands', 'The sandbox was stopped before its command ran', false],
      ['runs', '', true],
    ] as const) {
      await using starter = programs.born(build);
      const pid = await starter.child();
      starter.plan(planOf(stage === 'plan' ? SLOW : `${STANDS}; ${GATE}; read -r line; exit 9`));
      if (stage !== 'plan') await starter.stands();
      if (stage === 'runs') {
        starter.say('g');
        assert.deepEqual(await starter.report(), { type: 'running' });
      } else await eventually('it heeds no TERM', () => (atTerm(starter.pid).caught ? true : undefined));
      starter.process.kill('SIGTERM');
      const taken = starter.takeOver()!;
      assert.deepEqual([taken.failure, taken.gate === undefined], [failure, released]);
      // From here on it is the relay that stops what runs.
      for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) starter.process.kill(name);
      await eventually('it does not ignore TERM', () => (atTerm(starter.pid).ignored ? true : undefined));
      assert.equal(starter.process.exitCode ?? starter.process.signalCode, null);
      process.kill(pid, 'SIGTERM');
      assert.deepEqual(await starter.ended, { code: null, signal: 'SIGTERM' }, 'the program has it as it was');
    }
  });

  test(`${build}: INT and HUP are nobody's to end it with`, async () => {
    await using starter = programs.born(build);
    starter.plan(planOf(HONEST));
    await starter.stands();
    for (const name of ['SIGINT', 'SIGHUP'] as const) starter.process.kill(name);
    starter.say('g');
    assert.deepEqual(await starter.report(), { type: 'running' });
    assert.equal(starter.takeOver()!.failure, '');
  });

  test(`${build}: a relay that goes away at any point leaves nothing`, async () => {
    for (const stage of ['plan', 'stands', 'runs'] as const) {
      await using starter = programs.born(build);
      const pid = await starter.child();
      if (stage === 'plan') starter.plan(planOf(SLOW));
      if (stage === 'stands') {
        starter.plan(planOf(HONEST));
        await starter.stands();
      }
      if (stage === 'runs') await starter.runs(planOf(`${STANDS}; ${GATE}; read -r line; exit 0`));
      starter.leave('relay');
      assert.deepEqual(await starter.ended, { code: 0, signal: null });
      await gone(pid);
    }
  });

  test(`${build}: a relay that goes away while it takes over, or has read all and not said so, leaves nothing`, async () => {
    for (const reads of [false, true]) {
      await using starter = programs.born(build);
      // More than a socket holds: the starter waits for it to be read.
      const pid = await starter.runs(planOf(`${STANDS}; ${GATE}; read -r line; exit 0`, { relay: Buffer.alloc(2_000_000) }));
      starter.leave('launcher');
      if (reads) assert.notEqual(starter.takeOver({ confirm: false }), null);
      starter.leave('relay');
      await gone(pid);
      const { code } = await starter.ended;
      assert.ok(code === 125 || (!reads && code === 0), `${code}`);
    }
  });
}
