// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestReport } from './guest-report.ts';

function read(...lines: readonly string[]): GuestReport {
  const report = new GuestReport();
  for (const line of lines) report.line(line);
  return report;
}

test('GuestReport adds the tests of suites, and counts a step without tests as one', () => {
  const report = read(
    '@vm start facts',
    'Linux',
    '@vm end facts 0 3',
    '@vm start escape',
    '95 passed, 0 failed',
    '@vm end escape 0 900',
    '@vm done',
  );
  assert.deepEqual([report.passed, report.failed], [96, 0]);
  assert.deepEqual(report.steps, [
    { name: 'facts', code: 0, seconds: 3 },
    { name: 'escape', code: 0, seconds: 900 },
  ]);
  assert.equal(report.good(['facts', 'escape']), true);
});

test('GuestReport is not good for a failed test, a failed step, a suite that did not start, a step that did not run, a guest that did not end', () => {
  const end = ['@vm start escape', '9 passed, 0 failed', '@vm end escape 0 1'];
  assert.equal(read(...end, '@vm done').good(['escape']), true);
  assert.equal(read(...end).good(['escape']), false);
  assert.equal(read(...end, '@vm done').good(['escape', 'stand']), false);
  const failedTest = read('@vm start escape', '9 passed, 2 failed', '@vm end escape 1 1', '@vm done');
  assert.deepEqual([failedTest.failed, failedTest.good(['escape'])], [2, false]);
  const failedStep = read('@vm start stand', '@vm end stand 1 1', '@vm done');
  assert.deepEqual([failedStep.passed, failedStep.failed, failedStep.good(['stand'])], [0, 1, false]);
  const notStarted = read(...end, '@vm start cgroup', 'script/test: no such suite', '@vm end cgroup 2 1', '@vm done');
  assert.deepEqual([notStarted.passed, notStarted.failed], [9, 1]);
});
