// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { runCommand, startStand, until, type Stand } from '@bureau/testkit';

const BACK_MILLISECONDS = 20_000;
const UP_MILLISECONDS = 60_000;
const KEPT = 'fault/kept';

/** The stand's daemon directory on a tiny disk without any room, in a mount namespace that only this stand lives in. */
const FULL = `
directory=$1; shift
exec 3<"$directory"
mount -t tmpfs -o "size=4m,mode=0700,uid=$(stat -c %u "$directory"),gid=$(stat -c %g "$directory")" none "$directory"
cp -a /proc/self/fd/3/. "$directory/"
exec 3<&-
dd if=/dev/zero of="$directory/fill" bs=4k 2>/dev/null || true
exec "$@"`;

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

test('a full disk under the daemon: the stand comes up, works from memory and reports it', async () => {
  const deployed = await stand.bureau(['agent', 'deploy', KEPT, '--', 'sleep', '1000']);
  assert.equal(deployed.code, 0, deployed.stderr);
  await stand.down();
  // `stand up` of the installed build: script/setup must never run where the host looks other than it is.
  const build = realpathSync(stand.paths.buildLink);
  const library = realpathSync(`${stand.paths.homeserverStateDirectory}/library`);
  const up = [`${build}/lib/cli.js`, '--instance', stand.name, 'stand', 'up', '--no-demo', '--homeserver-library', library];
  const shell = ['/bin/sh', '-ec', FULL, 'sh', stand.paths.daemonStateDirectory, `${build}/bin/node`, ...up];
  const { code, stderr } = await runCommand('/usr/bin/unshare', ['--mount', '--propagation', 'private', ...shell], {
    timeoutMilliseconds: UP_MILLISECONDS,
  });
  assert.equal(code, 0, stderr);
  assert.equal(existsSync(`${stand.paths.daemonStateDirectory}/fill`), false, 'the host has nothing of that disk');
  await until(`${KEPT} runs`, BACK_MILLISECONDS, async () => /fault\/kept +running/.test((await stand.bureau(['agent', 'list'])).stdout));
  const run = await stand.bureau(['run', 'fault/full', '--', 'echo', 'works']);
  assert.deepEqual({ code: run.code, stdout: run.stdout }, { code: 0, stdout: 'works\n' }, run.stderr);
  const log = readFileSync(`${stand.paths.logDir}/daemon.log`, 'utf8');
  assert.match(
    log,
    /"error":"(database or disk is full|disk I\/O error|unable to open database file)","msg":"The sync position cannot be written/,
  );
  await stand.down();
  const again = await stand.up();
  assert.equal(again.code, 0, again.stderr);
  await until(`${KEPT} runs`, BACK_MILLISECONDS, async () => /fault\/kept +running/.test((await stand.bureau(['agent', 'list'])).stdout));
});
