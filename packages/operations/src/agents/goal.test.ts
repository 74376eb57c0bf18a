// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrincipalName } from '@bureau/core';
import type { PrincipalStatus } from '@bureau/protocol';
import { healthyIn, judgeGoal, type Goal } from './goal.ts';

const NOW = 1_000_000;
const PRINCIPAL = parsePrincipalName('demo/hello');

function status(state: PrincipalStatus['state'], more: Partial<PrincipalStatus> = {}): PrincipalStatus {
  return { principal: PRINCIPAL, state, restarts: 0, generation: 3, observedGeneration: 3, ...more };
}

function judge(found: PrincipalStatus | undefined, state: Goal['state'], patience: Goal['patience'] = 'any start'): string {
  try {
    return judgeGoal(PRINCIPAL, found, { state, generation: 3, patience }, NOW);
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('judgeGoal() answers for the generation that was asked for, and for no earlier one', () => {
  assert.equal(judge(status('running', { observedGeneration: 2 }), 'running'), 'not yet');
  assert.equal(judge(status('completed', { observedGeneration: 2 }), 'completed'), 'not yet');
  assert.equal(judge(status('running'), 'running'), 'reached');
  assert.equal(judge(status('running', { observedGeneration: 4 }), 'running'), 'reached');
  assert.equal(judge(undefined, 'running'), 'not yet');
  assert.equal(judge(undefined, 'absent'), 'reached');
});

test('judgeGoal() waits as long as the machine goes on by itself, and no longer', () => {
  for (const [found, state, answer] of [
    [status('blocked'), 'running', 'blocked'],
    [status('blocked', { retryAt: 1 }), 'running', 'not yet'],
    [status('waiting'), 'running', 'not yet'],
    [status('backing_off'), 'running', 'not yet'],
    [status('backing_off'), 'exited', 'reached'],
    [status('quarantined'), 'running', 'payload_ended'],
    [status('completed'), 'running', 'not_coming'],
    [status('exited'), 'completed', 'not_coming'],
    [status('completed'), 'exited', 'reached'],
    [status('stopped'), 'running', 'not_coming'],
  ] as const)
    assert.equal(judge(found, state), answer, `${found.state} for ${state}`);
});

test('judgeGoal() after a deployment: an end is an answer, and so is a job that is done or waits for its condition', () => {
  for (const [state, answer] of [
    ['backing_off', 'payload_ended'],
    ['exited', 'payload_ended'],
    ['completed', 'reached'],
    ['waiting', 'reached'],
    ['starting', 'not yet'],
  ] as const)
    assert.equal(judge(status(state), 'running', 'first start'), answer, state);
});

test('judgeGoal() for "healthy": the health check’s word where there is one, else ten seconds of life', () => {
  const up = (milliseconds: number): Partial<PrincipalStatus> => ({ startedAt: NOW - milliseconds });
  for (const [found, answer] of [
    [status('running', { ...up(60_000), health: 'checking' }), 'not yet'],
    [status('running', { ...up(60_000), health: 'unhealthy' }), 'not yet'],
    [status('running', { ...up(5), health: 'healthy' }), 'reached'],
    [status('running', { ...up(5), health: 'healthy', observedGeneration: 2 }), 'not yet'],
    [status('running', up(9_999)), 'not yet'],
    [status('running', up(10_000)), 'reached'],
    [status('stopping', { ...up(60_000), health: 'healthy' }), 'not yet'],
    [status('backing_off', up(60_000)), 'not yet'],
    [status('quarantined'), 'payload_ended'],
    [status('completed'), 'not_coming'],
    [status('blocked'), 'blocked'],
  ] as const)
    assert.equal(judge(found, 'healthy'), answer, JSON.stringify(found));
});

test('healthyIn() says when to look again, also after the clock was set back', () => {
  assert.equal(healthyIn(status('running', { startedAt: NOW - 4_000 }), NOW), 6_000);
  assert.equal(healthyIn(status('running', { startedAt: NOW + 3_600_000 }), NOW), 10_000);
  assert.equal(healthyIn(status('running', { startedAt: NOW, health: 'checking' }), NOW), undefined);
  assert.equal(healthyIn(status('starting'), NOW), undefined);
  assert.equal(healthyIn(undefined, NOW), undefined);
});
