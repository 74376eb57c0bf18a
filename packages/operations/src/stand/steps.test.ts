// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '@bureau/process';
import type { OperationContext } from '../registry/context.ts';
import { Steps } from './steps.ts';

test('Steps.run() says in sentences which step failed, why, where its log is, and what to do', async () => {
  const context = { clock: systemClock, progress: () => undefined, signal: AbortSignal.timeout(60_000) } as unknown as OperationContext;
  const help = { name: 'launcher', log: '/var/log/bureau/launcher.log' };
  for (const why of ['it cannot start: EROFS', 'it cannot start: EROFS.'])
    await assert.rejects(
      new Steps(context).run(help, () => Promise.reject(new Error(why))),
      {
        code: 'step_failed',
        message:
          'Step "launcher" failed: it cannot start: EROFS. Log: /var/log/bureau/launcher.log. Running script/up again goes on from here',
      },
    );
});
