// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FaultyBuild, runCommand, startStand, until, type CommandResult, type Stand } from '@bureau/testkit';

const UP_MILLISECONDS = 60_000;
/** A service that could not start is tried again after pauses that grow. */
const BACK_MILLISECONDS = 40_000;
/** A run under a fault ends by itself; measured: below 25 s, where the launcher does not come back meanwhile. */
const RUN_MILLISECONDS = 55_000;
/** More than one process has; a walk that finds no end is a fault of its own. */
const WRITES_MAX = 120;
const KEPT = 'fault/kept';

interface MachineStatus {
  readonly daemon: { readonly sync: string; readonly launcher: string } | null;
}

let stand: Stand;
let build: FaultyBuild;
before(async () => {
  stand = await startStand({ demo: false });
  build = new FaultyBuild(stand.paths);
  await standUp();
  const { code, stderr } = await stand.bureau(['agent', 'deploy', KEPT, '--', 'sleep', '1000']);
  assert.equal(code, 0, stderr);
  await until(`${KEPT} runs`, BACK_MILLISECONDS, async () => /fault\/kept +running/.test((await stand.bureau(['agent', 'list'])).stdout));
});
after(async () => {
  build.clear();
  await stand.end();
  build[Symbol.dispose]();
});

/** What script/up runs after script/setup and script/install, of the build whose writes can fail. */
async function standUp(): Promise<void> {
  const library = realpathSync(`${stand.paths.homeserverStateDirectory}/library`);
  const words = [`${build.path}/lib/cli.js`, '--instance', stand.name, 'stand', 'up', '--no-demo', '--homeserver-library', library];
  const { code, stderr } = await runCommand(`${build.path}/bin/node`, words, { timeoutMilliseconds: UP_MILLISECONDS });
  assert.equal(code, 0, stderr);
}

/** The kept agent's payload and relay. */
function kept(): string[] {
  return stand
    .processes()
    .filter(({ zombie, role, args }) => !zombie && /^(relay|payload):\d/.test(role) && args.length > 0)
    .map(({ role, pid, startTime }) => `${role} ${pid} ${startTime}`)
    .toSorted();
}

/** Kills it; resolves when its successor serves, or has failed at a write. */
async function restart(program: string, known: number): Promise<void> {
  const found = stand.process(program);
  process.kill(found.pid, 'SIGKILL');
  await until(`the end of ${program}`, BACK_MILLISECONDS, () => !stand.processes().some(({ pid, zombie }) => pid === found.pid && !zombie));
  if (program === 'stand') return;
  await until(`another ${program}`, BACK_MILLISECONDS, async () => {
    if (build.failed().length > known) return true;
    const { code, stdout } = await stand.bureau(['machine', 'status', '--json']);
    const { daemon } = code === 0 ? (JSON.parse(stdout) as MachineStatus) : { daemon: null };
    return daemon?.sync === 'live' && daemon.launcher === 'connected';
  });
}

function run(principal = 'fault/turn'): Promise<CommandResult> {
  return stand.bureau(['run', principal, '--', 'echo', 'works'], { timeoutMilliseconds: RUN_MILLISECONDS });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** Works all the same, or says in one line what is wrong and where to look or what to do. */
function assertTold(point: string, code: string, { code: exit, stdout, stderr }: CommandResult): void {
  if (exit === 0) return assert.equal(stdout, 'works\n', point);
  assert.equal(exit, 125, `${point}: ${stderr}`);
  const message = lastLine(stderr);
  assert.match(message, /^bureau: /, point);
  assert.match(message, new RegExp(`${code}|script/up|try again|starts it again|nobody listens`), `${point}: ${message}`);
}

/** Nothing that has the name of a file of ours is half of one. */
function assertWhole(point: string): void {
  const { launcherStateDirectory, daemonStateDirectory } = stand.paths;
  for (const directory of [launcherStateDirectory, daemonStateDirectory])
    for (const name of readdirSync(directory).filter((each) => each.endsWith('.json'))) {
      const text = readFileSync(join(directory, name), 'utf8');
      assert.doesNotThrow(() => JSON.parse(text) as unknown, `${point}: ${name}`);
    }
}

for (const program of ['stand', 'launcher', 'daemon', 'proxy', 'relay'])
  for (const code of ['ENOSPC', 'EROFS'] as const)
    test(`${code} at each write of ${program}: a run says why it fails, the kept agent lives on, all works again afterwards`, async (t) => {
      build.begin();
      const living = kept();
      assert.ok(living.length >= 2, living.join());
      // Of proxy and relay each run has its own. The others are killed as long as their starts have writes that have not failed (each time
      // the stand waits longer before it starts them again), and once more in the end: then neither start nor run may have any left.
      const lasting = ['stand', 'launcher', 'daemon'].includes(program);
      let kills = lasting;
      for (let turn = 0; ; turn += 1) {
        assert.ok(turn < WRITES_MAX, build.failed().join('\n'));
        const known = build.failed().length;
        build.set({ program, code });
        const killed = kills;
        if (killed) await restart(program, known);
        if (killed && program === 'stand')
          await standUp().catch((error: Error) => t.diagnostic(`script/up: ${lastLine(String(error.message))}`));
        kills = killed && build.failed().length > known;
        // A number is given once: the launcher writes it down for a principal that it does not know.
        const result = await run(program === 'launcher' ? `fault/turn${code.toLowerCase()}${turn}` : undefined);
        build.clear();
        const point = build.failed()[known];
        if (point === undefined) {
          assert.deepEqual({ code: result.code, stdout: result.stdout }, { code: 0, stdout: 'works\n' }, result.stderr);
          if (killed === lasting) break;
          kills = true;
          continue;
        }
        t.diagnostic(`${point.replaceAll(stand.name, 'X')}: ${result.code} ${lastLine(result.stderr)}`);
        assertTold(point, code, result);
        assertWhole(point);
        if (program === 'stand') await standUp();
        await until(`a run works after ${point}`, BACK_MILLISECONDS, async () => (await run()).code === 0);
        await until('only the kept agent is left', BACK_MILLISECONDS, () => kept().length === living.length);
        assert.deepEqual(kept(), living, point);
      }
    });
