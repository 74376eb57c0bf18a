// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { CHECKOUT, runCommand, startCommand, until, type CommandResult, type RunningCommand } from '@bureau/testkit';

const STEP_MILLISECONDS = 300_000;
const MOUNTED_MILLISECONDS = 20_000;
/** Room beside the sources, MiB: nothing, half of Node, Node, half of the packages, nearly all; measured, all take about 700. */
const ROOM = [0, 60, 150, 215, 260, 330, 420, 520, 620, 700];
/** More than all steps take. */
const AMPLE = 3_000;
/** Made by script/setup itself, and what is not in the checkout. */
const SOURCES = ['node_modules', '.toolchain', '.build', '.git'].map((name) => `--exclude=${name}`).join(' ');

/** Holds a mount namespace whose only difference is the disk of the copy; it is gone with its last process. */
let holder: RunningCommand;
let place: string;
let checkout: string;
before(async () => {
  place = mkdtempSync(join(tmpdir(), 'bureau-setup-disk-'));
  checkout = join(place, 'checkout');
  // Where a machine has no npm, script/setup would install Debian's: this one fetches the pinned Node as well.
  writeFileSync(join(place, 'npm'), `#!/bin/sh\nexec ${CHECKOUT}/script/npm "$@"\n`, { mode: 0o755 });
  const mount = `mkdir ${checkout} && mount -t tmpfs -o size=${AMPLE}m none ${checkout} && cd ${CHECKOUT} && tar -c ${SOURCES} . | tar -xC ${checkout} && touch ${place}/ready && exec sleep infinity`;
  holder = startCommand('/usr/bin/unshare', ['--mount', '--propagation', 'private', '/bin/sh', '-ec', mount]);
  await until('the copy', MOUNTED_MILLISECONDS, async () => (await runCommand('/usr/bin/test', ['-e', `${place}/ready`])).code === 0);
});
after(async () => {
  await holder[Symbol.asyncDispose]();
  rmSync(place, { recursive: true });
});

/** Runs a line where the copy's disk is. */
async function within(line: string): Promise<CommandResult> {
  return await runCommand('/usr/bin/nsenter', [`--mount=/proc/${holder.pid}/ns/mnt`, '--', '/bin/sh', '-ec', line], {
    timeoutMilliseconds: STEP_MILLISECONDS,
    env: 'caller',
  });
}

async function succeeds(line: string): Promise<string> {
  const { code, stdout, stderr } = await within(line);
  assert.equal(code, 0, `${line}: ${stderr}`);
  return stdout.trim();
}

/** npm takes from its cache what this checkout's own set-up has put there. */
function setup(words = ''): Promise<CommandResult> {
  return within(`PATH=${place}:$PATH npm_config_prefer_offline=true ${words} ${checkout}/script/setup`);
}

/** Room on the disk beside what is on it now, MiB. */
async function leaveRoom(megabytes: number): Promise<void> {
  const used = Number(await succeeds(`df --output=used --block-size=1K ${checkout} | tail -n 1`));
  await succeeds(`mount -o remount,size=${used + Math.round(megabytes * 1_024)}k ${checkout}`);
}

function stamps(): Promise<string> {
  return succeeds(`ls ${checkout}/.toolchain/stamps 2>/dev/null | tr '\\n' ' '`);
}

/** One place where it says what failed, why and what to do; no success is claimed, and no step that failed is marked as done. */
async function assertTold(result: CommandResult, t: TestContext): Promise<string> {
  const { code, stdout, stderr } = result;
  assert.equal(code, 1, stdout + stderr);
  assert.doesNotMatch(stdout, /done|nothing is missing/);
  assert.match(stderr, /make room/);
  const step = /step '(\w+)' failed \(exit code \d+\)/.exec(stderr)?.[1] ?? 'before the first step';
  t.diagnostic(`${step}: ${/found: +(.*)/.exec(stderr)?.[1] ?? stderr.trim().split('\n')[0] ?? ''}`);
  assert.ok(!(await stamps()).split(' ').includes(step === 'node' ? 'toolchain' : step), `${step} is marked as done`);
  return step;
}

/** A disk that takes no write at all: nothing is begun, nothing is changed. */
async function assertReadOnlyIsTold(): Promise<void> {
  const before = await succeeds(`find ${checkout} -newermt @0 -printf '%p %C@\\n' | sort | sha256sum`);
  await succeeds(`mount -o remount,ro ${checkout}`);
  const { code, stdout, stderr } = await setup();
  await succeeds(`mount -o remount,rw ${checkout}`);
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' }, stderr);
  assert.match(stderr, /^setup: expected to write to .*Read-only file system\n {2}do: +make the disk writable/);
  assert.equal(await succeeds(`find ${checkout} -newermt @0 -printf '%p %C@\\n' | sort | sha256sum`), before);
}

test('a disk that fills up in each step of script/setup, or is read-only: told, no step is marked as done, the next run goes on from there', async (t) => {
  await assertReadOnlyIsTold();
  const failed = new Map<string, number>();
  const full = Number(await succeeds(`df --output=used --block-size=1M ${checkout} | tail -n 1`));
  for (const room of ROOM) {
    const used = Number(await succeeds(`df --output=used --block-size=1M ${checkout} | tail -n 1`));
    await leaveRoom(Math.max(0, full + room - used));
    const result = await setup();
    if (result.code === 0) break;
    const step = await assertTold(result, t);
    failed.set(step, (failed.get(step) ?? 0) + 1);
    await leaveRoom(AMPLE);
    if (failed.get(step) === 1) await assertReadOnlyIsTold();
  }
  assert.ok((failed.get('node') ?? 0) > 0 && (failed.get('packages') ?? 0) > 0, JSON.stringify([...failed]));
  await leaveRoom(AMPLE);
  const last = await setup();
  assert.equal(last.code, 0, last.stderr);
  assert.match(await succeeds(`${checkout}/script/node --version && ${checkout}/node_modules/.bin/tsc --version`), /^v\d.*\nVersion \d/s);

  // A checkout that is set up is not written to: it may lie on a read-only disk.
  await succeeds(`mount -o remount,ro ${checkout}`);
  const again = await setup();
  assert.deepEqual([again.code, again.stderr], [0, '']);
  assert.match(again.stdout, /^setup: nothing is missing/);
  await succeeds(`mount -o remount,rw ${checkout}`);
});

test('a full disk under the homeserver of script/setup: no half of it counts as installed', async (t) => {
  const library = `${checkout}/library`;
  await leaveRoom(5);
  assert.equal(await assertTold(await setup(`BUREAU_LIBRARY_DIR=${library}`), t), 'homeserver');
  assert.equal(await succeeds(`find ${library} -name .complete`), '');
  await leaveRoom(AMPLE);
  assert.match((await setup()).stdout, /^setup: nothing is missing/);
});
