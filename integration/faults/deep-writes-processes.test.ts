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
const WRITES_MAX = 60;
const KEPT = 'fault/kept';

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
    .filter(({ zombie, role, args }) => !zombie && /^(relay|payload):/.test(role) && args.length > 0)
    .map(({ role, pid, startTime }) => `${role} ${pid} ${startTime}`)
    .toSorted();
}

async function restart(program: string): Promise<void> {
  const found = stand.processes().find(({ role, zombie }) => role === program && !zombie);
  if (found !== undefined) process.kill(found.pid, 'SIGKILL');
  await until(
    `the end of ${program}`,
    BACK_MILLISECONDS,
    () => !stand.processes().some(({ pid, zombie }) => pid === found?.pid && !zombie),
  );
}

function run(): Promise<CommandResult> {
  return stand.bureau(['run', 'fault/turn', '--', 'echo', 'works'], { timeoutMilliseconds: RUN_MILLISECONDS });
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
      for (let turn = 0; ; turn += 1) {
        assert.ok(turn < WRITES_MAX, build.failed().join('\n'));
        const known = build.failed().length;
        build.set({ program, code });
        if (['stand', 'launcher', 'daemon'].includes(program)) await restart(program);
        if (program === 'stand') await standUp().catch((error: unknown) => t.diagnostic(`script/up: ${String(error).slice(0, 400)}`));
        const result = await run();
        build.clear();
        const point = build.failed()[known];
        if (point === undefined) {
          assert.deepEqual({ code: result.code, stdout: result.stdout }, { code: 0, stdout: 'works\n' }, result.stderr);
          break;
        }
        t.diagnostic(`${point.replaceAll(stand.name, 'X')}: ${result.code} ${result.stderr.trim().split('\n').at(-1) ?? ''}`);
        assertWhole(point);
        if (program === 'stand') await standUp();
        await until(`a run works after ${point}`, BACK_MILLISECONDS, async () => (await run()).code === 0);
        await until('only the kept agent is left', BACK_MILLISECONDS, () => kept().length === living.length);
        assert.deepEqual(kept(), living, point);
      }
    });
