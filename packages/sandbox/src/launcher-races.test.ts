// SPDX-License-Identifier: Apache-2.0
// A stolen daemon calls everything at once, in an order that nobody meant.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { BureauError, parsePrincipalName, type PrincipalName } from '@bureau/core';
import type { Launcher } from './index.ts';
import { launcherStand, type LauncherStand } from './testing/launcher-fixture.ts';

const NAMES = ['race/a', 'race/b'].map(parsePrincipalName);
const IDS = ['a-0', 'a-1', 'b-0'];
const CALLS = 80;
const SEEDS = [1, 2, 3];

/** Whole numbers below `end`, the same for the same seed (mulberry32). */
function random(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  };
}

type Call = (launcher: Launcher, principal: PrincipalName, id: string) => Promise<unknown>;

/** Every operation of the contract that names a sandbox or a principal. */
function callsOf(stand: LauncherStand): Record<string, Call> {
  return {
    create: async (launcher, principal, id) => launcher.create(await stand.inputOf(principal, id)),
    createAgain: (launcher, principal, id) => launcher.create({ ...stand.input(id), principal, bundle: undefined as never }),
    destroy: (launcher, principal, id) => launcher.destroy(principal, id, 0),
    forget: async (launcher, principal, id) => launcher.forget(principal, id),
    wait: (launcher, principal, id) => launcher.wait(principal, id),
    signal: (launcher, principal, id) => launcher.signal(principal, id, 'SIGTERM'),
    updatePayload: (launcher, principal, id) => launcher.updatePayload(principal, id, { payload: { id } }),
    authorize: (launcher, principal, id) => launcher.authorize(principal, { grants: [{ actions: [id], targets: ['**'] }], denials: [] }),
    rotate: async (launcher, principal) => launcher.rotate(principal, (await stand.inputOf(principal, 'x')).bundle ?? new Uint8Array()),
  };
}

for (const seed of SEEDS) {
  test(`Launcher under ${CALLS} calls at once (seed ${seed}) refuses or does each, has one sandbox a principal, and leaves nothing`, async (context) => {
    const stand = await launcherStand(context, 2);
    const launcher = stand.start();
    await launcher.adopt();
    const calls = callsOf(stand);
    const next = random(seed);
    const outcomes = new Map<string, number>();
    const note = (what: string): void => void outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
    const running: Promise<void>[] = [];
    for (let at = 0; at < CALLS; at += 1) {
      const name = Object.keys(calls)[next(Object.keys(calls).length)] ?? '';
      const call = calls[name]!(launcher, NAMES[next(NAMES.length)]!, IDS[next(IDS.length)]!);
      running.push(
        call.then(
          () => note(`${name} done`),
          (error: unknown) => {
            // A refusal has a code of ours: nothing else may come out of a mere order of calls.
            assert.ok(error instanceof BureauError && error.code !== 'internal', `${name}: ${String(error)}`);
            note(`${name} ${error.code}`);
          },
        ),
      );
      for (let turns = next(4); turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve));
      const live = launcher.list().filter(({ state }) => state !== 'exited');
      assert.equal(new Set(live.map(({ principal }) => principal)).size, live.length, 'one sandbox a principal');
    }
    // What still waits ends with the sandbox for which it waits.
    let settled = false;
    const all = Promise.all(running).finally(() => (settled = true));
    while (!settled) {
      const ends = launcher.list().map(({ principal, id }) => launcher.destroy(principal, id, 0).catch(() => undefined));
      await Promise.all([...ends, new Promise((resolve) => setImmediate(resolve))]);
    }
    await all;
    await Promise.all(launcher.list().map(({ principal, id }) => launcher.destroy(principal, id, 0)));
    context.diagnostic([...outcomes].map(([what, times]) => `${what} ${times}`).join(', '));
    assert.ok(
      [...outcomes.keys()].some((what) => what === 'create done'),
      'some were made',
    );

    for (const { principal, id, number } of launcher.list()) {
      assert.deepEqual(stand.pids(number), []);
      assert.equal(existsSync(stand.paths.principal(number).directory), false);
      launcher.forget(principal, id);
    }
    assert.equal(stand.proxies.size, 0);
    assert.deepEqual(await stand.groups(), []);
    assert.deepEqual(launcher.list(), []);
  });
}
