// SPDX-License-Identifier: Apache-2.0
// bureau-starter as a relay has it: with its powers, over its sockets. What it makes is looked at from the host's side, before it hears a word of a plan.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { encodeOrder, readProcessStatus } from '@bureau/process';
import { gone } from './testing/process-facts.ts';
import { BUILDS, planOf, STANDS, STARTER_UID, StarterPrograms, type StarterFixture } from './testing/starter-fixture.ts';

const programs = new StarterPrograms();

for (const build of BUILDS) {
  test(`${build}: the process of a sandbox is in its groups, of its uid and without any power before it hears a word`, async () => {
    await using starter = programs.born(build);
    const pid = await starter.child();
    for (const each of [pid, starter.pid]) {
      const status = readProcessStatus(each);
      assert.deepEqual([status?.uids, status?.gids, status?.groups], [Array(4).fill(STARTER_UID), Array(4).fill(STARTER_UID), []]);
      const { capPermitted, capEffective, capInheritable, capBounding, capAmbient, noNewPrivileges } = status!;
      assert.deepEqual([capPermitted, capEffective, capInheritable, capBounding, capAmbient, noNewPrivileges], [0n, 0n, 0n, 0n, 0n, true]);
      // What is not dumpable is root's to look at, and no process of its own uid can trace it.
      assert.throws(() => readlinkAs(STARTER_UID, each), 'not dumpable');
    }
    assert.deepEqual(starter.group.pids(), [pid]);
    for (const { root } of programs.tree.controllers.present.filter(({ version }) => version === 1))
      assert.equal(readFileSync(join(root, basename(programs.tree.path), basename(starter.group.path), 'tasks'), 'utf8'), `${pid}\n`, root);
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(), '500');
    // Nobody of the payload's uid holds a way into a group.
    for (const each of [pid, starter.pid]) {
      assert.deepEqual(
        openOf(each).filter((target) => target.includes('cgroup')),
        [],
      );
    }
  });

  test(`${build}: a killed starter takes its program along, before it runs and when it does`, async () => {
    for (const runs of [false, true]) {
      await using starter = programs.born(build);
      const pid = await starter.child();
      if (runs) {
        starter.plan(planOf(`${STANDS}; sleep 1000 & wait`));
        assert.equal(await starter.stands(), pid);
      }
      starter.process.kill('SIGKILL');
      await starter.ended;
      await gone(pid);
    }
  });

  const orders: Readonly<Record<string, readonly [(starter: StarterFixture) => void, RegExp]>> = {
    'to be root': [(starter) => starter.order(0), /a uid that is not root's/],
    'to be nobody in particular': [(starter) => starter.order(0xffff_ffff), /a uid that is not root's/],
    'of another build': [(starter) => sayWithGroup(starter, Buffer.from('BRO2some')), /must be of one build/],
    'without a group': [(starter) => starter.say(encodeOrder([STARTER_UID])), /a control group, found none/],
    'with too many groups': [(starter) => withFiles(9, (files) => starter.say(encodeOrder([STARTER_UID]), files)), /at most 8 descriptors/],
    'into what is no group': [
      (starter) => withFiles(1, (files) => starter.say(encodeOrder([STARTER_UID]), files)),
      /cannot make a process in the sandbox's control group/,
    ],
    'cut off': [
      (starter) => {
        starter.say(encodeOrder([STARTER_UID]).subarray(0, 5));
        starter.leave('launcher');
      },
      /found 5 other bytes/,
    ],
  };
  for (const [name, [give, said]] of Object.entries(orders)) {
    test(`${build}: an order ${name} makes nothing`, async () => {
      await using starter = programs.start(build);
      give(starter);
      assert.match(await starter.said, said);
      assert.equal((await starter.ended).code, 125);
      assert.deepEqual(starter.group.pids(), []);
      assert.equal(starter.takeOver(), null);
    });
  }

  for (const side of ['relay', 'launcher'] as const) {
    test(`${build}: a ${side} that goes away before there is a plan leaves nothing, and nothing is said`, async () => {
      for (const born of [false, true]) {
        await using starter = born ? programs.born(build) : programs.start(build);
        const pid = born ? await starter.child() : undefined;
        starter.leave(side);
        assert.deepEqual(await starter.ended, { code: 0, signal: null });
        if (pid !== undefined) await gone(pid);
        assert.equal(await starter.said, '');
      }
    });
  }

  test(`${build}: a TERM before there is a plan ends it and what it made`, async () => {
    for (const born of [false, true]) {
      await using starter = born ? programs.born(build) : programs.start(build);
      const pid = born ? await starter.child() : undefined;
      starter.process.kill('SIGTERM');
      assert.deepEqual(await starter.ended, { code: null, signal: 'SIGTERM' });
      if (pid !== undefined) await gone(pid);
    }
  });
}

function sayWithGroup(starter: StarterFixture, bytes: Buffer): void {
  using birth = starter.group.openForBirth();
  starter.say(bytes, birth.descriptors);
}

function withFiles(count: number, act: (files: readonly number[]) => void): void {
  const files = Array.from({ length: count }, () => openSync('/tmp', 'r'));
  act(files);
  for (const file of files) closeSync(file);
}

/** What a process holds open. It closes what is not for it while this looks. */
function openOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${descriptor}`)];
    } catch {
      return [];
    }
  });
}

/** Looks at a process's root as an ordinary user; throws when that is refused. */
function readlinkAs(uid: number, pid: number): string {
  process.seteuid?.(uid);
  try {
    return readlinkSync(`/proc/${pid}/root`);
  } finally {
    process.seteuid?.(0);
  }
}
