// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

/** A subreaper of its own: adopts an orphan, has a known child that ended too, and reaps. */
const SUBREAPER = `
  import { spawn, spawnSync } from 'node:child_process';
  import { once } from 'node:events';
  import { setChildSubreaper } from ${JSON.stringify(import.meta.resolve('@bureau/native'))};
  import { OrphanReaper, readProcess } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
  setChildSubreaper();
  const orphan = Number(spawnSync('/bin/sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!']).stdout.toString());
  const known = spawn('/bin/sh', ['-c', 'exit 7'], { stdio: 'ignore' });
  const exited = once(known, 'exit');
  const reaper = new OrphanReaper(() => [known.pid]);
  const whileAlive = reaper.reap();
  process.kill(orphan, 'SIGKILL');
  // The event loop does not turn here, so libuv cannot collect the known child meanwhile: both are zombies now.
  while (!readProcess(orphan).zombie || !readProcess(known.pid).zombie);
  const reaped = reaper.reap();
  const [code] = await exited;
  console.log(JSON.stringify({ adopted: whileAlive.length === 0, right: reaped.length === 1 && reaped[0] === orphan, gone: readProcess(orphan) === undefined, again: reaper.reap(), code }));`;

test('OrphanReaper.reap() collects a dead orphan and leaves exit codes of known children alone', () => {
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', SUBREAPER], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 30_000,
  });
  assert.deepEqual(JSON.parse(result.stdout), { adopted: true, right: true, gone: true, again: [], code: 7 });
});
