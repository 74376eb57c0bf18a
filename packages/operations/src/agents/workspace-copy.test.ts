// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parseInstanceName, parseMachineName, parsePrincipalName, parseServerName } from '@bureau/core';
import { ensureInstanceDirectories, ensureWorkspace, instancePaths, uidsOf, writeSettings } from '@bureau/instance';
import { TEST_UID_BASE } from '@bureau/instance/testing';
import type { OperationContext } from '../registry/context.ts';
import { copyIn, copyOut } from './workspace-copy.ts';

const PRINCIPAL = parsePrincipalName('iree/pm');
let instances = 0;

interface Places {
  readonly context: OperationContext;
  /** The agent's, full of what it planted. */
  readonly workspace: string;
  /** The operator's, root-owned. */
  readonly target: string;
  /** Files of the operator beside the target, which nothing may touch. */
  readonly precious: string;
  readonly payload: number;
}

function places(test: TestContext): Places {
  instances += 1;
  const paths = instancePaths(parseInstanceName(`w${process.pid}${instances}`));
  const uids = uidsOf(TEST_UID_BASE);
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-copy-'));
  test.after(() => {
    for (const place of [paths.runDir, paths.stateDir, paths.configDir, paths.logDir, directory])
      fs.rmSync(place, { recursive: true, force: true });
  });
  ensureInstanceDirectories(paths, uids);
  const machine = parseMachineName('machine/test');
  writeSettings(paths, {
    v: 1,
    name: paths.name,
    uidBase: TEST_UID_BASE,
    serverName: parseServerName('bureau.local'),
    homeserverPort: 6167,
    homeserverUrl: 'http://127.0.0.1:6167',
    machine,
    build: 'test',
  });
  fs.writeFileSync(paths.numbersFile, JSON.stringify({ v: 1, principals: { [PRINCIPAL]: 0 } }));
  ensureWorkspace(paths, PRINCIPAL, 0, uids);
  const target = join(directory, 'target');
  const precious = join(directory, 'precious');
  fs.mkdirSync(target);
  fs.mkdirSync(precious);
  fs.writeFileSync(join(precious, 'passwd'), 'root', { mode: 0o644 });
  fs.chmodSync(directory, 0o755);
  const context = { paths, progress: () => undefined } as unknown as OperationContext;
  return { context, workspace: paths.workspaceOf(PRINCIPAL), target, precious, payload: uids.payload(0) };
}

/** As the agent does it: under its uid, in its workspace. */
function plant({ workspace, payload, precious }: Places, script: string): void {
  execFileSync(
    '/usr/bin/setpriv',
    ['--reuid', String(payload), '--regid', String(payload), '--clear-groups', '--', '/bin/sh', '-ec', script],
    {
      cwd: workspace,
      env: { PATH: '/usr/bin:/bin', PRECIOUS: precious },
    },
  );
}

function untouched({ precious }: Places): void {
  assert.deepEqual(fs.readdirSync(precious), ['passwd']);
  assert.equal(fs.readFileSync(join(precious, 'passwd'), 'utf8'), 'root');
  assert.equal(fs.statSync(join(precious, 'passwd')).mode & 0o7777, 0o644);
}

test('copyOut() brings back files, directories, links and odd names', async (test) => {
  const all = places(test);
  plant(
    all,
    `mkdir -p a/b; echo one > a/b/file; ln -s file a/b/link; printf x > "$(printf 'a\\nb')"; printf x > '--checkpoint-action=exec=touch pwned'; printf x > '\\052'`,
  );
  await copyOut(all.target, PRINCIPAL, all.context);
  assert.equal(fs.readFileSync(join(all.target, 'a/b/file'), 'utf8'), 'one\n');
  assert.equal(fs.readlinkSync(join(all.target, 'a/b/link')), 'file');
  assert.deepEqual(fs.readdirSync(all.target), ['--checkpoint-action=exec=touch pwned', '\\052', 'a', 'a\nb']);
  assert.equal(fs.statSync(join(all.target, 'a/b/file')).uid, 0);
});

test('copyOut() never writes through a link that the agent planted, however it is swapped for a directory', async (test) => {
  const all = places(test);
  // First run: a link to a directory of the operator's. Second: a directory of that name with the file to be overwritten.
  plant(all, 'ln -s "$PRECIOUS" out; ln -s "$PRECIOUS/passwd" file; ln -s ../precious up');
  await copyOut(all.target, PRINCIPAL, all.context);
  untouched(all);
  plant(all, 'rm out file up; mkdir out up; echo evil > out/passwd; echo evil > file; echo evil > up/passwd; echo evil > up/new');
  await copyOut(all.target, PRINCIPAL, all.context);
  untouched(all);
  assert.equal(fs.readFileSync(join(all.target, 'file'), 'utf8'), 'evil\n');
});

test('copyOut() never writes through a link of the operator’s own directory', async (test) => {
  const all = places(test);
  fs.symlinkSync(all.precious, join(all.target, 'mine'));
  plant(all, 'mkdir mine; echo evil > mine/passwd; echo evil > mine/new');
  await copyOut(all.target, PRINCIPAL, all.context).catch(() => undefined);
  untouched(all);
});

test('copyOut() keeps hard links inside, and drops set-id bits, pipes and sockets', async (test) => {
  const all = places(test);
  plant(all, 'echo one > one; ln one two; cp /bin/true tool; chmod 6755 tool; mkfifo pipe; mkdir sticky; chmod 3777 sticky');
  await copyOut(all.target, PRINCIPAL, all.context);
  untouched(all);
  assert.equal(fs.statSync(join(all.target, 'one')).ino, fs.statSync(join(all.target, 'two')).ino);
  assert.equal(fs.statSync(join(all.target, 'tool')).mode & 0o6000, 0);
  assert.equal(fs.statSync(join(all.target, 'sticky')).mode & 0o6000, 0);
  assert.equal(fs.existsSync(join(all.target, 'pipe')), false);
});

test('copyIn() writes under the agent’s uid, so that a link planted before leads nowhere that the agent may not write', async (test) => {
  const all = places(test);
  plant(all, 'ln -s "$PRECIOUS" sub; ln -s "$PRECIOUS/passwd" file');
  fs.mkdirSync(join(all.target, 'sub'));
  fs.writeFileSync(join(all.target, 'sub/passwd'), 'from the operator');
  fs.writeFileSync(join(all.target, 'file'), 'from the operator');
  await copyIn(all.target, PRINCIPAL, all.context).catch(() => undefined);
  untouched(all);
  assert.equal(fs.lstatSync(join(all.workspace, 'file')).uid, all.payload);
});

test('copyIn() and copyOut() refuse what is no directory', async (test) => {
  const all = places(test);
  await assert.rejects(copyIn(join(all.precious, 'passwd'), PRINCIPAL, all.context), { code: 'workspace_missing' });
  await assert.rejects(copyOut(join(all.target, 'none'), PRINCIPAL, all.context), { code: 'workspace_missing' });
});
