// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BureauError } from '@bureau/core';
import { AuditLog, type Logger } from '@bureau/log';
import { launcherContract } from '@bureau/protocol';
import { launcherHandlers, type LauncherIdentity } from './launcher-service.ts';
import type { Launcher } from './launcher.ts';

/** No window of the audit ends here. */
const SILENT_CLOCK = { now: () => 0, monotonic: () => 0, setTimer: () => ({ clear: () => undefined }) };

/** Those that only look. Whatever else the contract has must leave a record. */
const LOOKS = ['list', 'status', 'wait', 'watch'];
const CHANGES = Object.keys(launcherContract.methods).filter((method) => !LOOKS.includes(method));
const CONTEXT = { peer: { uid: 4_242 }, traceId: 'f'.repeat(32), signal: new AbortController().signal };
const INPUT = { principal: 'audit/one', id: 'a-0', spec: { v: 1, command: ['true'] }, bundle: Buffer.alloc(1), graceMilliseconds: 0 };

/** Every method of a launcher does the same. */
function launcherThat(does: () => unknown): Launcher {
  return new Proxy({}, { get: () => does }) as Launcher;
}

interface Line {
  readonly traceId?: string;
  readonly audit: {
    readonly who: string;
    readonly what: string;
    readonly target: string;
    readonly result: string;
    readonly reason?: string;
  };
}

/** The lines that one call leaves. */
async function linesOf(method: string, does: () => unknown): Promise<Line[]> {
  const lines: Line[] = [];
  const logger = { level: 'info', isLevelEnabled: () => true, info: (line: Line) => void lines.push(line) } as unknown as Logger;
  const handlers = launcherHandlers(launcherThat(does), {} as LauncherIdentity, new AuditLog(logger, SILENT_CLOCK)) as unknown as Record<
    string,
    (input: unknown, context: unknown) => unknown
  >;
  try {
    await handlers[method]?.(INPUT, CONTEXT);
  } catch {
    // It goes to the caller; here only what was written counts.
  }
  return lines;
}

test('the contract has operations that change something, and those that look are among its methods', () => {
  assert.ok(CHANGES.length >= 7, CHANGES.join());
  for (const method of LOOKS) assert.ok(method in launcherContract.methods, method);
});

for (const method of CHANGES) {
  test(`${method} leaves exactly one line: who, what, result; done, refused and failed`, async () => {
    const unknown = (): never => {
      throw new BureauError('not_found', 'no');
    };
    const refused = (): never => {
      throw new BureauError('spec_refused', 'no', { data: { rule: 'mount_destination' } });
    };
    const failed = (): never => {
      throw new TypeError('a bug');
    };
    const unstarted = (): never => {
      throw new BureauError('start_failed', 'no');
    };
    for (const [does, result, reason] of [
      [() => ({}), 'ok', undefined],
      [refused, 'refused', 'spec_refused: mount_destination'],
      [unknown, 'refused', 'not_found'],
      [unstarted, 'failed', 'start_failed'],
      [failed, 'failed', 'internal'],
    ] as const) {
      const lines = await linesOf(method, does);
      assert.deepEqual(
        lines.map(({ audit, traceId }) => ({ ...audit, traceId })),
        [
          {
            who: 'uid:4242',
            what: method,
            target: 'audit/one',
            result,
            ...(reason === undefined ? {} : { reason }),
            traceId: CONTEXT.traceId,
          },
        ],
      );
    }
  });
}

for (const method of LOOKS) {
  test(`${method} changes nothing and leaves no line`, async () => {
    assert.deepEqual(await linesOf(method, () => []), []);
  });
}
