// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import type { MachineLoadContent } from '@bureau/protocol';
import { LOAD_SILENCE_MILLISECONDS } from './limits.ts';
import { LoadReporter, isNews } from './load-reporter.ts';
import { HandClock } from './system-tree.testing.ts';

const HOUR = 3_600_000;
const QUIET: MachineLoadContent = {
  v: 1,
  at: 0,
  cpuPercent: 10,
  memoryUsedBytes: 1_000_000_000,
  uptimeSeconds: 1,
  sandboxes: { running: 1, waiting: 0 },
  principals: [{ principal: parsePrincipalName('demo/one'), cpuPercent: 20, memoryBytes: 100_000_000 }],
};

/** A reporter over a load that the test makes up, one look after the other. */
function follow(context: TestContext, loadAt: (look: number) => MachineLoadContent) {
  const clock = new HandClock();
  const sent: MachineLoadContent[] = [];
  const failures: string[] = [];
  let looks = 0;
  const state = { refuses: false };
  const reporter = new LoadReporter({
    clock,
    measure: () => loadAt(looks++),
    publish: (load) => (state.refuses ? Promise.reject(new Error('away')) : Promise.resolve(void sent.push(load))),
    onFailure: (message) => failures.push(message),
  });
  reporter.start();
  context.after(() => reporter.stop());
  return { clock, sent, failures, state, reporter, looks: () => looks };
}

test('LoadReporter says little of a machine whose load only trembles: six events an hour', async (context) => {
  const { clock, sent, looks } = follow(context, (look) => ({ ...QUIET, cpuPercent: 10 + (look % 5), uptimeSeconds: look }));
  await clock.pass(24 * HOUR);
  assert.equal(looks(), 1_440);
  assert.equal(sent.length, 24 * 6);
});

test('LoadReporter says at most one thing a minute of a machine whose load jumps', async (context) => {
  const { clock, sent } = follow(context, (look) => ({ ...QUIET, cpuPercent: look % 2 === 0 ? 0 : 100 }));
  await clock.pass(HOUR);
  assert.equal(sent.length, 60);
});

test('LoadReporter goes on where it could not publish: the next look is sent, and one failure is told', async (context) => {
  const { clock, sent, failures, state } = follow(context, (look) => ({ ...QUIET, cpuPercent: look % 100 }));
  state.refuses = true;
  await clock.pass(HOUR);
  assert.deepEqual([sent.length, failures], [0, ['away']]);
  state.refuses = false;
  await clock.pass(120_000);
  assert.equal(sent[0]?.cpuPercent, 60);
});

test('LoadReporter says nothing after it was stopped', async (context) => {
  const { clock, sent, reporter } = follow(context, () => QUIET);
  reporter.stop();
  await clock.pass(LOAD_SILENCE_MILLISECONDS * 2);
  assert.equal(sent.length, 0);
});

test('isNews: beyond a band, another principal, another count; not what trembles within', () => {
  const [only] = QUIET.principals;
  assert.ok(only !== undefined);
  const cases: readonly [boolean, Partial<MachineLoadContent>][] = [
    [false, { cpuPercent: 15, memoryUsedBytes: 1_100_000_000, uptimeSeconds: 99, at: 99 }],
    [true, { cpuPercent: 16 }],
    [true, { memoryUsedBytes: 1_300_000_000 }],
    [true, { sandboxes: { running: 2, waiting: 0 } }],
    [true, { sandboxes: { running: 1, waiting: 1 } }],
    [false, { principals: [{ ...only, cpuPercent: 30, memoryBytes: 110_000_000 }] }],
    [true, { principals: [{ ...only, cpuPercent: 31 }] }],
    [true, { principals: [{ ...only, memoryBytes: 200_000_000 }] }],
    [true, { principals: [{ ...only, principal: parsePrincipalName('demo/other') }] }],
    [true, { principals: [] }],
  ];
  for (const [news, change] of cases) assert.equal(isNews(QUIET, { ...QUIET, ...change }), news, JSON.stringify(change));
  assert.ok(isNews(undefined, QUIET));
});
