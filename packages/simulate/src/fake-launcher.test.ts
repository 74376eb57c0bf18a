// SPDX-License-Identifier: Apache-2.0
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import { Chance } from './chance.ts';
import { LAUNCHER_BEHAVIOURS, type LauncherUnderTest } from './compliance-launcher.ts';
import { sealFake } from './fake-bundle.ts';
import { FakeLauncher } from './fake-launcher.ts';
import { FakeMachine } from './fake-machine.ts';
import { FakeSocket } from './fake-socket.ts';
import { calm } from './faults.ts';
import { Judge } from './judge.ts';
import { LauncherDisk } from './launcher-disk.ts';
import { Life } from './life.ts';
import { SimulatedTime } from './simulated-time.ts';

/** The fake launcher on a machine of its own; `time` has to be moved for anything to happen. */
function fakeLauncher(time: SimulatedTime): LauncherUnderTest {
  const judge = new Judge(time);
  const [mutations, weather, disk, chance] = [new Set<never>(), calm(), new LauncherDisk(), new Chance(1)];
  const machine = new FakeMachine(time, judge, { started: () => undefined, ended: () => undefined });
  const socket = new FakeSocket({ time, judge, weather, mutations, chance, onDestroy: () => undefined });
  let life = new Life();
  const start = async (): Promise<void> => {
    life = new Life();
    socket.launcher = new FakeLauncher({ time, chance, life, machine, disk, weather, now: () => time.now, mutations });
  };
  void start();
  return {
    connect: () => socket.connect(new Life()),
    kill: async () => {
      life.end();
      socket.lose();
    },
    start,
    bundle: async (principal, issue, term = 'good') => sealFake({ principal, issue, expired: term === 'expired' }),
    commands: { serves: ['serve'], ends: ['exit', '3', '2000'] },
    running: (principal) => machine.payloads.filter((payload) => payload.principal === principal).length,
    until: async (holds) => {
      while (!(await holds())) await new Promise<void>((resolve) => time.after(10, resolve));
    },
  };
}

for (const [index, { what, run }] of LAUNCHER_BEHAVIOURS.entries()) {
  test(`the fake launcher ${what}`, { timeout: 20_000 }, async () => {
    const time = new SimulatedTime();
    const launcher = fakeLauncher(time);
    let isOver = false;
    const tried = run(launcher, parsePrincipalName(`compliance/p${index}`)).finally(() => (isOver = true));
    tried.catch(() => undefined);
    while (!isOver) if (!(await time.step(Number.POSITIVE_INFINITY))) await new Promise(setImmediate);
    await tried;
  });
}
