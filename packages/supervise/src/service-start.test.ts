// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { openSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { WarmPool, systemClock } from '@bureau/process';
import { startService } from './service-start.ts';
import { scriptService, surroundings } from './testing/supervise-fixture.ts';

test('startService() tells in its own words why a process that waited cannot start; of one that dies without a word, that it is gone', async (context) => {
  const { tree, directory } = surroundings(context);
  const script = `${directory}/member.mjs`;
  const logFile = `${directory}/thing.log`;
  for (const [last, why] of [
    [`sayFailed(4, new Error('EROFS: read-only file system'))`, 'EROFS: read-only file system'],
    ['process.exit(1)', 'the process that waited for it is gone'],
  ]) {
    writeFileSync(
      script,
      `const { waitForOrder, sayFailed } = await import(${JSON.stringify(import.meta.resolve('@bureau/process'))});
if (waitForOrder(3, 4, 1, 1) !== null) ${last};
`,
    );
    const pool = new WarmPool({
      size: 0,
      program: { command: process.execPath, args: [script], environment: {}, openLog: () => openSync('/dev/null', 'w') },
      tree,
      prefix: 'pool',
      clock: systemClock,
      onFailure: () => undefined,
    });
    const starting = startService(scriptService('', { ready: { by: 'order', numbers: [1] } }), {
      clock: systemClock,
      cgroup: tree.group('thing'),
      sockets: [],
      logFile,
      signal: AbortSignal.timeout(60_000),
      onSpawn: () => undefined,
      pool,
    });
    await assert.rejects(starting, { code: 'child_failed', message: `Could not start thing: ${why}; see ${logFile}` });
  }
});
