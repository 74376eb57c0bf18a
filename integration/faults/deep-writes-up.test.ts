// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FaultyBuild, runCommand, startStand, until, type CommandResult, type WriteFault, type Stand } from '@bureau/testkit';

const UP_MILLISECONDS = 60_000;
const BACK_MILLISECONDS = 20_000;
/** More than there are; a walk that finds no end is a fault of its own. */
const WRITES_MAX = 120;
/** Fewer are no walk: settings, uids, keys, links, secrets, configuration, logs, credentials, session, machine. */
const WRITES_MIN = 30;
const KEPT = 'fault/kept';

let stand: Stand;
let build: FaultyBuild;
let library: string;
before(async () => {
  stand = await startStand({ demo: false });
  library = realpathSync(`${stand.paths.homeserverStateDirectory}/library`);
  build = new FaultyBuild(stand.paths);
});
after(async () => {
  await stand.end();
  build[Symbol.dispose]();
});

/** What script/up runs after script/setup and script/install. */
function standUp(words: readonly string[] = []): Promise<CommandResult> {
  const args = [`${build.path}/lib/cli.js`, '--instance', stand.name, 'stand', 'up', '--homeserver-library', library, ...words];
  return runCommand(`${build.path}/bin/node`, args, { timeoutMilliseconds: UP_MILLISECONDS });
}

/** Fails every write of `stand up`, each with those before it done; returns them. */
async function walk(code: WriteFault['code'], words: readonly string[], look: () => void): Promise<string[]> {
  build.begin();
  for (let turn = 0; turn < WRITES_MAX; turn += 1) {
    const known = build.failed().length;
    build.set({ program: 'cli', code });
    const result = await standUp(words);
    build.clear();
    const failed = build.failed();
    const point = failed[known];
    if (point === undefined) {
      assert.equal(result.code, 0, result.stderr);
      return failed;
    }
    assertTold(point, code, result);
    assertWhole(point, code);
    look();
  }
  throw new Error(`more than ${WRITES_MAX} writes: ${build.failed().join('\n')}`);
}

/** What, where, why, and what to do. */
function assertTold(point: string, code: string, { code: exit, stderr, stdout }: CommandResult): void {
  if (code === 'SIGKILL') return;
  assert.equal(exit, 1, `${point}: ${stderr}`);
  assert.equal(stdout, '', point);
  const message = stderr.trimEnd().split('\n').at(-1) ?? '';
  assert.match(message, code === 'ENOSPC' ? /ENOSPC: no space left on device/ : /EROFS: read-only file system/, point);
  assert.ok(/\/(etc|run|var\/lib|var\/log)\/bureau/.test(message), `${point}: where? ${message}`);
  assert.match(message, /[Rr]unning script\/up again goes on from here/, point);
  assert.doesNotMatch(stderr, /\n +at /, `${point}: a stack is no message`);
}

/** Every file under its name is whole; only a disk that takes no removal, and a kill, leave what was half made, under another name. */
function assertWhole(point: string, code: string): void {
  for (const path of [stand.paths.configDir, stand.paths.stateDir].flatMap(filesBelow)) {
    const temporary = /\.tmp$|\.new$/.test(path);
    if (code === 'ENOSPC') assert.equal(temporary, false, `${point}: ${path} is left`);
    if (temporary || path.endsWith('.lock')) continue;
    const text = readFileSync(path, 'utf8');
    if (path.endsWith('.json')) assert.doesNotThrow(() => JSON.parse(text) as unknown, `${point}: ${path}`);
    assert.notEqual(text, '', `${point}: ${path} is empty`);
  }
}

/** Regular files; Synapse's own directory is Synapse's own affair, and no link is followed. */
function filesBelow(directory: string): string[] {
  if (!existsSync(directory) || directory.endsWith('/homeserver/data')) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

function sandboxes(): string[] {
  return stand.lasting(/^(relay|payload):/);
}

for (const code of ['ENOSPC', 'EROFS', 'SIGKILL'] as const) {
  test(`${code} at each write of a first script/up: told, nothing half-written, the next one goes on from there`, async (t) => {
    await stand.down({ purge: true });
    const failed = await walk(code, [], () => undefined);
    t.diagnostic(`${failed.length} writes: ${failed.join(', ').replaceAll(stand.name, 'X')}`);
    assert.ok(failed.length >= WRITES_MIN, failed.join('\n'));
    const { code: exit, stdout } = await stand.bureau(['run', 'fault/after', '--', 'echo', 'works']);
    assert.deepEqual({ exit, stdout }, { exit: 0, stdout: 'works\n' });
    assert.equal((await stand.bureau(['matrix', 'doctor'])).code, 0);
  });

  test(`${code} at each write of script/up on a stand that runs: no sandbox notices`, async (t) => {
    assert.equal((await stand.bureau(['agent', 'deploy', KEPT, '--', 'sleep', '1000'])).code, 0);
    await until(`${KEPT} runs`, BACK_MILLISECONDS, async () => /fault\/kept +running/.test((await stand.bureau(['agent', 'list'])).stdout));
    await stand.leaks.atRest();
    const living = sandboxes();
    const failed = await walk(code, [], () => assert.deepEqual(sandboxes(), living));
    t.diagnostic(`${failed.length} writes: ${failed.join(', ').replaceAll(stand.name, 'X')}`);
    assert.ok(failed.length > 0);
    assert.deepEqual(sandboxes(), living);
  });
}

/** EROFS fails where ENOSPC does, and at more writes; each turn begins with nothing, which takes its time. */
for (const program of ['stand', 'launcher', 'daemon'])
  test(`EROFS at each write of ${program} under a first script/up: it says so or does without, and the next one succeeds`, async (t) => {
    build.begin();
    for (let known = 0; known < WRITES_MAX; known += 1) {
      await stand.down({ purge: true });
      build.set({ program, code: 'EROFS' });
      const first = await standUp(['--no-demo']);
      build.clear();
      const point = build.failed()[known];
      if (point === undefined) {
        assert.equal(first.code, 0, first.stderr);
        assert.ok(known > 0, 'no write was found');
        return;
      }
      const message = first.stderr.trimEnd().split('\n').at(-1) ?? '';
      t.diagnostic(`${point.replaceAll(stand.name, 'X')}: ${first.code} ${message.replaceAll(stand.name, 'X')}`);
      const told = /Step "\w+" failed: .*Log: .*[Rr]unning script\/up again goes on from here/;
      if (first.code !== 0) assert.match(message, told, `${point}: ${first.stderr}`);
      assertWhole(point, 'EROFS');
      const second = await standUp(['--no-demo']);
      assert.equal(second.code, 0, `${point}: ${second.stderr}`);
      assert.equal((await stand.bureau(['run', 'fault/after', '--', 'true'])).code, 0, point);
    }
  });
