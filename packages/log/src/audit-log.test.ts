// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { AuditLog } from './audit-log.ts';
import type { AuditRecord } from './audit.ts';
import { capture } from './capture.testing.ts';
import { AUDIT_KINDS_MAX, AUDIT_LINES_OF_ONE, AUDIT_LINES_REFUSED } from './limits.ts';

const REFUSED: AuditRecord = { who: 'uid:7', what: 'signal', target: 'iree/pm', result: 'refused', reason: 'not_found' };

/** An audit log whose window ends when the test says so. */
function auditLog(context: TestContext): { log: AuditLog; endWindow(): void; lines(): (AuditRecord & { times?: number })[] } {
  const { logger, text } = capture(context);
  const timers: (() => void)[] = [];
  const setTimer = (_milliseconds: number, callback: () => void): { clear(): void } => {
    timers.push(callback);
    return { clear: () => undefined };
  };
  return {
    log: new AuditLog(logger, { now: () => 0, monotonic: () => 0, setTimer }),
    endWindow: () => {
      assert.equal(timers.length, 1, 'one window at a time');
      timers.pop()?.();
    },
    lines: () =>
      text()
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { audit: AuditRecord }).audit),
  };
}

test('AuditLog writes what comes seldom as it is, in every window', (context) => {
  const { log, endWindow, lines } = auditLog(context);
  log.add(REFUSED);
  log.add({ ...REFUSED, result: 'ok' });
  endWindow();
  log.add(REFUSED);
  endWindow();
  assert.deepEqual(
    lines().map(({ result }) => result),
    ['refused', 'ok', 'refused'],
  );
});

test('AuditLog counts a flood of refusals by operation and reason, whatever targets are named, and says how many', (context) => {
  const { log, endWindow, lines } = auditLog(context);
  for (let at = 0; at < 100_000; at += 1) log.add({ ...REFUSED, target: `a/${at}`, reason: at % 2 === 0 ? 'not_found' : 'invalid_input' });
  assert.equal(lines().length, AUDIT_LINES_REFUSED);
  endWindow();
  const more = lines().slice(AUDIT_LINES_REFUSED);
  assert.deepEqual(
    more.map(({ what, target, reason, times }) => [what, target, reason, times]),
    [
      ['signal', undefined, 'not_found', (100_000 - AUDIT_LINES_REFUSED) / 2],
      ['signal', undefined, 'invalid_input', (100_000 - AUDIT_LINES_REFUSED) / 2],
    ],
  );
});

test('AuditLog never hides what was done behind a flood: each target has lines of its own', (context) => {
  const { log, endWindow, lines } = auditLog(context);
  for (let at = 0; at < 10_000; at += 1) {
    log.add(REFUSED);
    log.add({ who: 'uid:7', what: 'authorize', target: 'iree/loud', result: 'ok' });
  }
  log.add({ who: 'uid:7', what: 'create', target: 'iree/quiet', result: 'ok' });
  assert.equal(lines().at(-1)?.target, 'iree/quiet');
  endWindow();
  const loud = lines().filter(({ target, result }) => target === 'iree/loud' && result === 'ok');
  assert.equal(loud.length, AUDIT_LINES_OF_ONE + 1);
  assert.equal(loud.at(-1)?.times, 10_000 - AUDIT_LINES_OF_ONE);
});

test('AuditLog holds a bounded number of kinds, and loses none of them from the count', (context) => {
  const { log, lines } = auditLog(context);
  const total = AUDIT_LINES_REFUSED + AUDIT_KINDS_MAX + 1_000;
  for (let at = 0; at < total; at += 1) log.add({ who: 'uid:7', what: `method-${at}`, result: 'refused' });
  log[Symbol.dispose]();
  const all = lines();
  assert.equal(
    all.reduce((sum, { times = 1 }) => sum + times, 0),
    total,
  );
  assert.ok(all.length <= AUDIT_LINES_REFUSED + AUDIT_KINDS_MAX + 2);
});
