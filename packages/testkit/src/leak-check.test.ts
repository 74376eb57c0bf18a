// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readlinkSync, rmSync, rmdirSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { parseInstanceName } from '@bureau/core';
import { instancePaths } from '@bureau/instance';
import { runCommand } from './command.ts';
import { LeakCheck } from './leak-check.ts';
import { standName } from './stand-name.ts';
import { until } from './until.ts';

/** A range that no stand of this machine has: below the first one's. */
const UID_BASE = 110_000;
const paths = instancePaths(standName(process.pid, Date.now()));
const check = new LeakCheck(paths, UID_BASE);
/** Long enough to look twice. */
const SOON = 100;
const READY_MILLISECONDS = 10_000;

beforeEach(async () => await check.assertNothing(SOON));
afterEach(async () => await check.assertNothing());

/**
 * Starts a process that is leaked; resolves when it is what it is to be. A program that changes itself after its start (`setpriv`) is
 * for a moment what nobody looks for, and on a busy machine for longer than a look.
 */
async function spawned(
  command: string,
  args: readonly string[],
  isReady: (pid: number) => boolean = () => true,
): Promise<AsyncDisposable & { readonly child: ChildProcess }> {
  // A group of its own: a shell that is killed alone leaves its command behind.
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  await once(child, 'spawn');
  const dispose = async (): Promise<void> => {
    const exited = once(child, 'exit');
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await exited;
  };
  await until(`${command} to be ready`, READY_MILLISECONDS, () => isReady(child.pid ?? 0));
  return { child, [Symbol.asyncDispose]: dispose };
}

async function leaked(line: RegExp): Promise<void> {
  await assert.rejects(check.assertNothing(SOON), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'leaked');
    assert.match(error.message, line);
    return true;
  });
}

test('LeakCheck sees a process by a uid of the instance', async () => {
  const args = ['--reuid', `${UID_BASE + 18}`, '--clear-groups', 'sleep', '1000'];
  await using _child = await spawned('/usr/bin/setpriv', args, (pid) => statSync(`/proc/${pid}`).uid === UID_BASE + 18);
  await leaked(/^\+ processes: payload:1 sleep$|^\+ processes: payload:1 setpriv$/m);
});

test('LeakCheck sees a process by its --instance', async () => {
  await using _child = await spawned('/bin/sh', ['-c', 'sleep 1000; :', 'sh', '--instance', paths.name]);
  await leaked(/^\+ processes: command sh$/m);
});

test('LeakCheck tells a longer name’s processes and paths apart', async () => {
  const other = parseInstanceName(`${paths.name}x`);
  await using _child = await spawned('/bin/sh', ['-c', 'sleep 1000; :', 'sh', '--instance', other]);
  mkdirSync(instancePaths(other).runDir);
  try {
    await check.assertNothing(SOON);
  } finally {
    rmdirSync(instancePaths(other).runDir);
  }
});

test('LeakCheck sees a network namespace that only a leftover holds', async () => {
  const args = ['--net', '/bin/sh', '-c', 'echo; sleep 1000; :', 'sh', '--instance', paths.name];
  const host = readlinkSync('/proc/self/ns/net');
  await using child = await spawned('/usr/bin/unshare', args, (pid) => readlinkSync(`/proc/${pid}/ns/net`) !== host);
  assert.ok(child.child.pid);
  await leaked(/^\+ networkNamespaces: command$/m);
});

test('LeakCheck sees a directory, a listening socket and a file of the run directory', async () => {
  mkdirSync(`${paths.runDir}/.sys`, { recursive: true });
  const server = createServer();
  try {
    server.listen(`${paths.runDir}/.sys/daemon.sock`);
    await once(server, 'listening');
    await leaked(/^\+ sockets: listen \/run\/bureau-[a-z0-9]+\/\.sys\/daemon\.sock$/m);
    await leaked(/^\+ runFiles: \.sys\/daemon\.sock$/m);
    await leaked(/^\+ directories: \/run\/bureau-/m);
  } finally {
    await new Promise((resolve) => server.close(resolve));
    rmSync(paths.runDir, { recursive: true });
  }
});

test('LeakCheck sees a mount', async () => {
  mkdirSync(paths.runDir);
  await runCommand('/bin/mount', ['-t', 'tmpfs', 'tmpfs', paths.runDir]);
  try {
    await leaked(/^\+ mounts: .*tmpfs/m);
  } finally {
    await runCommand('/bin/umount', [paths.runDir]);
    rmdirSync(paths.runDir);
  }
});

test('LeakCheck sees a control group, empty or not', async () => {
  const group = `/sys/fs/cgroup/unified/${paths.cgroupName}/proxy-7`;
  mkdirSync(group, { recursive: true });
  try {
    await leaked(/^\+ cgroups: .*\/proxy-7$/m);
  } finally {
    rmdirSync(group);
    rmdirSync(`/sys/fs/cgroup/unified/${paths.cgroupName}`);
  }
});

test('LeakCheck says also what is missing, and waits for what comes', async () => {
  mkdirSync(paths.runDir);
  const before = check.snapshot();
  rmdirSync(paths.runDir);
  await assert.rejects(check.assertUnchanged(before, SOON), /^- directories: /m);
  const coming = check.assertUnchanged(before, 10_000);
  mkdirSync(paths.runDir);
  await coming;
  rmdirSync(paths.runDir);
});

test('LeakCheck counts an ended process that a process of ours does not reap', async () => {
  const script = `import os, sys, time
pid = os.fork()
if pid == 0: os.setresuid(${UID_BASE}, ${UID_BASE}, ${UID_BASE}); os._exit(0)
time.sleep(1000)`;
  await using _child = await spawned('/usr/bin/python3', ['-I', '-c', script]);
  await until('a zombie', READY_MILLISECONDS, () => check.zombies().length > 0);
  await leaked(/^\+ zombies: python3 \(pid \d+, parent \d+\)$/m);
});

test('LeakCheck at rest waits until a command that is under way has ended', async () => {
  const before = check.snapshot();
  const child = spawn('/bin/sh', ['-c', 'sleep 0.5; :', 'sh', '--instance', paths.name], { stdio: 'ignore' });
  await once(child, 'spawn');
  assert.deepEqual(await check.atRest(), before);
});

test('LeakCheck at rest waits until nobody is connected to the daemon', async () => {
  mkdirSync(paths.systemDir, { recursive: true });
  const server = createServer((socket) => socket.on('end', () => socket.end()));
  try {
    server.listen(paths.daemonSocket);
    await once(server, 'listening');
    const before = check.snapshot();
    const client = connect(paths.daemonSocket);
    await once(client, 'connect');
    assert.notDeepEqual(check.snapshot(), before);
    setTimeout(() => client.end(), 500);
    assert.deepEqual(await check.atRest(), before);
  } finally {
    await new Promise((resolve) => server.close(resolve));
    rmSync(paths.runDir, { recursive: true });
  }
});
