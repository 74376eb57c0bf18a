// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CHECKOUT, runCommand, standName, startStand, until, type CommandResult, type Stand } from '@bureau/testkit';

/** The version of 2026-11-21, 15:33. A clone that lacks it (`git clone --depth`) lacks this test's old version. */
const OLD = 'e03f4598e11c6376e8d8a4641d59b0eaa2188500';
/** The old version's Node and npm packages, from npm's cache where they are there. */
const SETUP_MILLISECONDS = 900_000;
const UP_MILLISECONDS = 120_000;
const BACK_MILLISECONDS = 40_000;
const KEPT = 'fault/kept';

const name = standName(process.pid, Date.now());
let old: string;
let stand: Stand | undefined;
before(async () => {
  old = mkdtempSync(join(tmpdir(), 'bureau-old-'));
  // Where a machine has no npm, script/setup would install Debian's.
  writeFileSync(join(old, 'npm'), `#!/bin/sh\nexec ${CHECKOUT}/script/npm "$@"\n`, { mode: 0o755 });
  await succeeds('/bin/sh', ['-ec', `git -C ${CHECKOUT} archive ${OLD} | tar -xC ${old}`]);
  const setup = `PATH=${old}:$PATH npm_config_prefer_offline=true ${old}/script/setup`;
  await succeeds('/bin/sh', ['-ec', setup], { timeoutMilliseconds: SETUP_MILLISECONDS, env: 'caller' });
});
after(async () => {
  if (stand === undefined) await runCommand(`${CHECKOUT}/script/down`, ['--instance', name, '--purge']);
  else await stand.end();
  rmSync(old, { recursive: true });
});

async function succeeds(...[command, args, options]: Parameters<typeof runCommand>): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, args, options);
  assert.equal(code, 0, `${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function ofOld(...words: readonly string[]): Promise<string> {
  return succeeds(`${old}/bin/bureau`, ['--instance', name, ...words]);
}

async function isRunning(list: () => Promise<string>): Promise<void> {
  await until(`${KEPT} runs`, BACK_MILLISECONDS, async () => /^fault\/kept +running/m.test(await list()));
}

test('a stand of an older version of Bureau: script/up of this one upgrades it in place, its agent lives on and is then the new one’s', async (t) => {
  await succeeds(`${old}/script/up`, ['--instance', name, '--json', '--no-demo'], { timeoutMilliseconds: UP_MILLISECONDS, env: 'caller' });
  await ofOld('agent', 'deploy', KEPT, '--', 'sh', '-c', 'date +%s%N > born; echo begun; while sleep 1; do echo $((i += 1)) > beat; done');
  await isRunning(() => ofOld('agent', 'list'));
  assert.equal(await ofOld('run', 'fault/once', '--', 'echo', 'of old'), 'of old\n');

  const upgraded = await startStand({ name, demo: false });
  stand = upgraded;
  const bureau = async (...words: readonly string[]): Promise<CommandResult> => {
    const result = await upgraded.bureau(words);
    assert.equal(result.code, 0, `${words.join(' ')}: ${result.stderr}`);
    return result;
  };
  assert.match(upgraded.first.stderr, /replacing build [0-9a-f]{16}/);
  await isRunning(async () => (await bureau('agent', 'list')).stdout);
  const file = (which: string): string => readFileSync(`${upgraded.paths.workspaceRoot}/${KEPT}/${which}`, 'utf8');
  const [born, beat] = [file('born'), file('beat')];
  await until('the same payload goes on', BACK_MILLISECONDS, () => file('beat') !== beat);
  assert.equal(file('born'), born, 'it was not started anew');
  assert.match((await bureau('agent', 'logs', KEPT)).stdout, /begun/, 'what its relay of old has kept');

  assert.equal((await bureau('run', 'fault/once', '--', 'echo', 'of new')).stdout, 'of new\n');
  await bureau('agent', 'restart', KEPT);
  await until('a payload of the new version', BACK_MILLISECONDS, () => file('born') !== born);
  await isRunning(async () => (await bureau('agent', 'list')).stdout);
  await bureau('matrix', 'doctor');
  await bureau('agent', 'remove', KEPT);
  const again = await upgraded.up();
  assert.equal(again.code, 0, again.stderr);
  t.diagnostic(`script/up took ${Math.round(upgraded.first.milliseconds)} ms, a second one ${Math.round(again.milliseconds)} ms`);
});
