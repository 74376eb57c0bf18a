// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { startStand, until, type CommandResult, type Stand } from '@bureau/testkit';

/** Measured: 1 to 2 s. */
const BACK_MILLISECONDS = 20_000;
/** From an empty control group to a zombie the kernel takes a moment. */
const ENDING_MILLISECONDS = 1_000;
const CYCLES = 20;
const KEPT = 'fault/kept';
/** What a stand without agents is made of, all of which stays. */
const SERVICES = /^(stand|homeserver|launcher|daemon)$/;

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
after(async () => await stand.end());

async function succeeds(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await stand.bureau(args);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function upAgain(): Promise<CommandResult> {
  const result = await stand.up();
  assert.equal(result.code, 0, result.stderr);
  return result;
}

async function untilRunning(principal: string): Promise<void> {
  await until(`${principal} runs`, BACK_MILLISECONDS, async () => {
    const { stdout } = await stand.bureau(['agent', 'list']);
    return stdout.split('\n').some((line) => new RegExp(`^${principal} +running`).test(line));
  });
}

/** Writes `changed` instead of a file of the stand that is down (`undefined`: removes it), and puts it back after `work`. */
async function withFile(path: string, changed: string | undefined, work: () => Promise<void>): Promise<void> {
  const text = readFileSync(path);
  const { mode, uid, gid } = statSync(path);
  if (changed === undefined) rmSync(path);
  // An existing file keeps mode and owner.
  else writeFileSync(path, changed);
  try {
    await work();
  } finally {
    await stand.down();
    writeFileSync(path, text);
    const now = statSync(path);
    if (now.mode !== mode || now.uid !== uid || now.gid !== gid) {
      chmodSync(path, mode & 0o7777);
      assert.deepEqual([now.uid, now.gid], [uid, gid], `owner of ${path}`);
    }
  }
}

/**
 * How many descriptors each service has open, by its role. Left out are Node's rings (io_uring): a process has one for each of its event
 * loops or none, by how much memory all processes of its user have locked.
 */
function descriptors(): Map<string, number> {
  const live = stand.processes().filter(({ zombie, role }) => !zombie && SERVICES.test(role));
  return new Map(live.map(({ role, pid }) => [role, openFiles(pid).filter((file) => file !== 'anon_inode:[io_uring]').length]));
}

/** What its descriptors name; one that is closed meanwhile counts as well. */
function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return '';
    }
  });
}

test('twenty times down and up: the stand holds each time what it held at first, and nothing between', async (t) => {
  const footprint = stand.start;
  const taken: string[] = [];
  const open = descriptors();
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const down = await stand.down();
    // The last of it may still be on its way from an empty control group to a zombie.
    await until('nothing between', ENDING_MILLISECONDS, () => stand.processes().every(({ zombie }) => zombie));
    const up = await upAgain();
    await stand.leaks.assertUnchanged(footprint);
    await until('no more descriptors than at first', BACK_MILLISECONDS, () => {
      const now = descriptors();
      return now.size === open.size && [...now].every(([role, count]) => count <= (open.get(role) ?? 0));
    }).catch((cause: unknown) => {
      throw new Error(`descriptors at first ${JSON.stringify([...open])}, now ${JSON.stringify([...descriptors()])}`, { cause });
    });
    taken.push(`${(down.milliseconds / 1_000).toFixed(1)}+${(up.milliseconds / 1_000).toFixed(1)}`);
  }
  t.diagnostic(`down+up in seconds: ${taken.join(' ')}`);
});

test('a state directory that the daemon cannot write: it goes on from memory, after a kill as well, and reports it', async () => {
  await succeeds(['agent', 'deploy', KEPT, '--', 'sleep', '1000']);
  const directory = stand.paths.daemonStateDirectory;
  const files = readdirSync(directory).map((name) => ({ path: `${directory}/${name}`, mode: statSync(`${directory}/${name}`).mode }));
  try {
    for (const { path } of files) chmodSync(path, 0o400);
    chmodSync(directory, 0o500);
    const { pid } = stand.process('daemon');
    process.kill(pid, 'SIGKILL');
    await until('another daemon', BACK_MILLISECONDS, () =>
      stand.processes().some(({ role, zombie, pid: other }) => role === 'daemon' && !zombie && other !== pid),
    );
    await untilRunning(KEPT);
    assert.equal(await succeeds(['run', 'fault/unwritten', '--', 'echo', 'works']), 'works\n');
    await until('it reports it', BACK_MILLISECONDS, () =>
      readFileSync(`${stand.paths.logDir}/daemon.log`, 'utf8').includes('"The sync position cannot be written'),
    );
  } finally {
    chmodSync(directory, 0o700);
    for (const { path, mode } of files) if (existsSync(path)) chmodSync(path, mode & 0o7777);
  }
  assert.equal(await succeeds(['run', 'fault/written', '--', 'echo', 'works']), 'works\n');
});

describe('files that this version does not know are refused and left as they are', () => {
  const paths = (): Stand['paths'] => stand.paths;
  const newer = (text: string): string => JSON.stringify({ ...(JSON.parse(text) as object), v: 2 });
  const extra = (text: string): string => JSON.stringify({ ...(JSON.parse(text) as object), fromTheFuture: true });
  const cut = (text: string): string => text.slice(0, text.length / 2);
  const cases: readonly [what: string, path: () => string, change: (text: string) => string, expected: RegExp][] = [
    ['instance.json, newer', () => paths().settingsFile, newer, /instance\.json: field "v": expected 1/],
    ['instance.json, a field too much', () => paths().settingsFile, extra, /instance\.json: .*fromTheFuture/],
    ['instance.json, half', () => paths().settingsFile, cut, /instance\.json: expected JSON/],
    ['machine.json, newer', () => paths().machineFile, newer, /machine\.json: field "v": expected 1/],
    ['session.json, newer', () => `${paths().daemonStateDirectory}/session.json`, newer, /session\.json: .*v/],
    [
      'principals.json, newer',
      () => `${paths().launcherStateDirectory}/principals.json`,
      newer,
      /principals\.json: field .*v.*: expected 1/,
    ],
    ['principals.json, half', () => `${paths().launcherStateDirectory}/principals.json`, cut, /principals\.json: expected JSON/],
  ];
  // It stays down: each case leaves it so.
  before(async () => void (await stand.down()));
  for (const [what, path, change, expected] of cases) {
    test(what, async () => {
      const changed = change(readFileSync(path(), 'utf8'));
      await withFile(path(), changed, async () => {
        const { code, stderr } = await stand.up();
        assert.equal(code, 1, stderr);
        assert.match(stderr.replaceAll('\\"', '"'), expected);
        assert.equal(readFileSync(path(), 'utf8'), changed, 'as it was');
      });
    });
  }

  test('and once they are back, so is the stand', async () => {
    await upAgain();
    await untilRunning(KEPT);
  });
});

test('principals.json lost: nobody gets another’s number, the launcher says what to do', async () => {
  await stand.down();
  const path = `${stand.paths.launcherStateDirectory}/principals.json`;
  await withFile(path, undefined, async () => {
    const { code, stderr } = await stand.up();
    assert.equal(code, 1, stderr);
    assert.match(stderr, /it says which uid is whose\. Restore it from a backup/);
    assert.equal(existsSync(path), false);
    assert.notEqual((await stand.bureau(['run', 'fault/stranger', '--', 'true'])).code, 0);
    assert.equal(existsSync(path), false);
  });
  chmodSync(path, 0o600);
  await upAgain();
  await untilRunning(KEPT);
});

test('the record of a sandbox is damaged: it is put aside and the agent starts anew', async () => {
  await stand.down();
  const directory = stand.paths.launcherStateDirectory;
  const { principals } = JSON.parse(readFileSync(`${directory}/principals.json`, 'utf8')) as { principals: Record<string, number> };
  const record = `${directory}/${principals[KEPT] ?? -1}.sandbox.json`;
  writeFileSync(record, '{"v":2,"id":', { mode: 0o600 });
  await upAgain();
  await untilRunning(KEPT);
  assert.equal(readFileSync(`${record}.malformed`, 'utf8'), '{"v":2,"id":');
  rmSync(`${record}.malformed`);
});

test('the machine’s key is lost: agents say why they do not start, and a deploy seals to the new key', async () => {
  await stand.down();
  const recipient = readFileSync(`${stand.paths.launcherStateDirectory}/recipient`, 'utf8');
  // In whichever store this host has: identity.tpm2, identity.cred or identity.age.
  for (const store of ['tpm2', 'cred', 'age']) rmSync(`${stand.paths.launcherStateDirectory}/identity.${store}`, { force: true });
  assert.match((await upAgain()).stderr, /its key is new/);
  assert.notEqual(readFileSync(`${stand.paths.launcherStateDirectory}/recipient`, 'utf8'), recipient);
  await until('it says so', BACK_MILLISECONDS, async () =>
    /fault\/kept +blocked, .*sealed to another machine; seal it again/.test((await stand.bureau(['agent', 'list'])).stdout),
  );
  await succeeds(['agent', 'deploy', KEPT, '--', 'sleep', '1000']);
  await untilRunning(KEPT);
});
