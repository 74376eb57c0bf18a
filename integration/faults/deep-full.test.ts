// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { after, before, test, type TestContext } from 'node:test';
import { runCommand, startStand, until, type Stand } from '@bureau/testkit';

const BACK_MILLISECONDS = 20_000;
const UP_MILLISECONDS = 60_000;
const KEPT = 'fault/kept';

/** A directory of the stand on a disk of its own, `$2` in size, in a mount namespace that only this stand lives in; `$3` is done there first. */
const OWN_DISK = `
directory=$1; size=$2; first=$3; shift 3
exec 3<"$directory"
mount -t tmpfs -o "size=$size,mode=0700,uid=$(stat -c %u "$directory"),gid=$(stat -c %g "$directory")" none "$directory"
cp -a /proc/self/fd/3/. "$directory/"
exec 3<&-
eval "$first"
exec "$@"`;
const FILL = 'dd if=/dev/zero of="$directory/fill" bs=4k 2>/dev/null || true';
/** Synapse's database after its first start has 2 MiB. */
const ROOMY = '64m';

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

/** `stand up` of the installed build: script/setup must never run where the host looks other than it is. */
async function upOn(directory: string, size: string, first: string): Promise<void> {
  const build = realpathSync(stand.paths.buildLink);
  const library = realpathSync(`${stand.paths.homeserverStateDirectory}/library`);
  const up = [`${build}/lib/cli.js`, '--instance', stand.name, 'stand', 'up', '--no-demo', '--homeserver-library', library];
  const shell = ['/bin/sh', '-ec', OWN_DISK, 'sh', directory, size, first, `${build}/bin/node`, ...up];
  const { code, stderr } = await runCommand('/usr/bin/unshare', ['--mount', '--propagation', 'private', ...shell], {
    timeoutMilliseconds: UP_MILLISECONDS,
  });
  assert.equal(code, 0, stderr);
}

/** Runs a line in the mount namespace of the stand. */
async function within(line: string): Promise<void> {
  const { pid } = stand.process('stand');
  const { code, stderr } = await runCommand('/usr/bin/nsenter', [`--mount=/proc/${pid}/ns/mnt`, '--', '/bin/sh', '-ec', line]);
  assert.equal(code, 0, `${line}: ${stderr}`);
}

/** The kept agent and what serves it. */
function living(): string[] {
  return stand.lasting(/^(relay|payload|proxy|launcher|daemon)/);
}

test('a full disk under the daemon: the stand comes up, works from memory and reports it', async () => {
  const deployed = await stand.bureau(['agent', 'deploy', KEPT, '--', 'sleep', '1000']);
  assert.equal(deployed.code, 0, deployed.stderr);
  await stand.down();
  await upOn(stand.paths.daemonStateDirectory, '4m', FILL);
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

/** Refused as long as the homeserver cannot store it. */
async function deployIsRefused(t: TestContext, expected: RegExp): Promise<void> {
  const before = living();
  const refused = await stand.bureau(['agent', 'deploy', 'fault/late', '--', 'sleep', '1000']);
  t.diagnostic(refused.stderr.trim());
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, expected);
  assert.match((await stand.bureau(['agent', 'list'])).stdout, /fault\/kept +running/);
  assert.deepEqual(living(), before, 'nothing of ours ended');
}

async function deployWorks(): Promise<void> {
  const before = living();
  await until('deploy works again', UP_MILLISECONDS, async () => {
    return (await stand.bureau(['agent', 'deploy', 'fault/late', '--', 'sleep', '1000'])).code === 0;
  });
  const now = living();
  assert.deepEqual(
    before.filter((each) => !now.includes(each)),
    [],
    'nothing of ours ended',
  );
  assert.equal((await stand.bureau(['agent', 'remove', 'fault/late'])).code, 0);
}

test('a full disk under the homeserver: what must be stored is refused, what runs goes on, all works when there is room again', async (t) => {
  const data = `${stand.paths.homeserverStateDirectory}/data`;
  await stand.down();
  await upOn(data, ROOMY, ':');
  await until(`${KEPT} runs`, BACK_MILLISECONDS, async () => /fault\/kept +running/.test((await stand.bureau(['agent', 'list'])).stdout));
  await stand.leaks.atRest();
  await within(`directory=${data}; ${FILL}`);
  await deployIsRefused(t, /The homeserver refused .*: 500 /);
  await within(`rm ${data}/fill`);
  await deployWorks();
});

test('a homeserver that must start on a read-only disk: it is tried again until it can, what runs goes on', async (t) => {
  const data = `${stand.paths.homeserverStateDirectory}/data`;
  // The agent that was removed last may still be ending.
  await stand.leaks.atRest();
  await within(`mount --bind ${data} ${data}; mount -o remount,bind,ro ${data}`);
  const { pid } = stand.process('homeserver');
  process.kill(pid, 'SIGKILL');
  await until('its end', BACK_MILLISECONDS, () => !stand.processes().some((each) => each.pid === pid && !each.zombie));
  await deployIsRefused(t, /homeserver/);
  await within(`umount ${data}`);
  await deployWorks();
});
