// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { hasCode } from '@bureau/core';
import { sendDescriptors } from '@bureau/native';
import { dropPrivileges, encodeOrder } from '@bureau/process';
import { RelayFixture, TEST_UID } from './testing/relay-fixture.ts';
import { buildRelayProgram, type RelayProgram } from '@bureau/observe/testing';

let program: RelayProgram;
before(async () => {
  program = await buildRelayProgram();
});
after(() => program[Symbol.dispose]());

const shell = (script: string): string[] => ['sh', '-c', script];

test('relay gives up when the launcher goes away before "go", and nothing runs', async () => {
  await using relay = new RelayFixture(program, shell('echo ran'), { terminal: true });
  await relay.report('started');
  relay.launcherPipe.end();
  assert.match(await relay.failure(), /launcher went away/);
  assert.equal(await relay.ended(), 0);
  assert.equal(relay.output.toString(), '');
  assert.match(relay.exitReport.reason ?? '', /^start_failed: /);
});

for (const terminal of [true, false]) {
  const how = terminal ? 'with a terminal' : 'without a terminal';
  test(`relay reports what bwrap says when it cannot make the sandbox, ${how}`, async () => {
    await using relay = new RelayFixture(program, shell('true'), { terminal, moreOptions: ['--ro-bind', '/nonexistent/source', '/x'] });
    // bwrap tells its child's pid before it mounts: "started" may or may not come first.
    const message = await relay.failure();
    assert.match(message, /bwrap: Can't find source path \/nonexistent\/source/);
    assert.equal(await relay.ended(), 0);
    assert.equal(relay.exitReport.code, 125);
    assert.match(relay.exitReport.reason ?? '', /^start_failed: bwrap: Can't find source path/);
  });

  test(`relay gives 127 and 126 for commands that cannot be executed, as a shell does, ${how}`, async () => {
    await using missing = new RelayFixture(program, ['/no/such/command'], { terminal });
    await missing.running();
    assert.deepEqual((await missing.report('exited')).exit, { code: 127, signal: null });
    await using directory = new RelayFixture(program, ['/usr'], { terminal });
    await directory.running();
    assert.deepEqual((await directory.report('exited')).exit, { code: 126, signal: null });
  });

  test(`relay reports a sandbox that breaks after "go" as a failed start, ${how}`, async () => {
    await using relay = new RelayFixture(program, shell('echo ran'), { terminal, moreOptions: ['--tmpfs', '/run/bureau-bin'] });
    await relay.running();
    const { exit } = await relay.report('exited');
    assert.equal(exit.code, 125);
    assert.match(exit.reason ?? '', /^start_failed: bwrap: execvp \/run\/bureau-bin\/bureau-exec: No such file/);
  });
}

test('relay refuses a configuration without a seccomp program', async () => {
  await using relay = new RelayFixture(program, shell('true'), { seccomp: new Uint8Array(0) });
  assert.match(await relay.failure(), /seccomp program, found none/);
  assert.equal(await relay.ended(), 0);
});

for (const [name, rawConfig] of [
  ['a frame that is not a configuration', Buffer.from([0, 0, 0, 1, 0x80])],
  ['a frame that is too long', Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ['garbage', Buffer.from([0, 0, 0, 2, 0xc1, 0xc1])],
] as const) {
  test(`relay refuses ${name}, and nothing of its sandbox is left`, async () => {
    await using relay = new RelayFixture(program, shell('sleep 100'), { rawConfig });
    await relay.go();
    await relay.report('running');
    assert.match(await relay.failure(), /relay's configuration|frame|msgpack/i);
    assert.equal(await relay.ended(), 0);
  });
}

test('a payload is held to its limits, soft and hard, and a limit that is already lower stays', async () => {
  const script = 'for each in n u f c; do echo $each $(ulimit -S$each) $(ulimit -H$each); done';
  const [hard] = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.slice(1) ?? [];
  for (const [limits, open] of [
    [{ openFiles: 64, fileSize: 1024 * 1024, processes: 50 }, '64'],
    [{ openFiles: 2 ** 32, fileSize: 1024 * 1024, processes: 50 }, hard],
  ] as const) {
    await using relay = new RelayFixture(program, ['bash', '-c', script], { limits });
    await relay.running();
    await relay.report('exited');
    assert.equal(relay.output.toString(), `n ${open} ${open}\nu 50 50\nf 1024 1024\nc 0 0\n`);
  }
});

test('relay passes arguments longer than a pipe holds', async () => {
  const more = Array.from({ length: 400 }, (_, index) => ['--setenv', `V${index}`, 'x'.repeat(1_000)]).flat();
  await using relay = new RelayFixture(program, shell('echo ${#V0} ${#V399}'), { moreOptions: more });
  await relay.running();
  assert.deepEqual((await relay.report('exited')).exit, { code: 0, signal: null });
  assert.equal(relay.output.toString(), '1000 1000\n');
});

for (const terminal of [true, false]) {
  test(`relay gives the payload descriptors 0, 1 and 2 only, ${terminal ? 'with' : 'without'} a terminal`, async () => {
    const stray = openSync('/etc/hostname', 'r');
    await using relay = new RelayFixture(
      program,
      shell('readlink /proc/self/fd/9; ls -l /proc/self/fd | sed "s/.* \\([0-9]* ->\\)/\\1/"; cat /proc/1/cmdline | tr "\\0" " "'),
      { terminal, stray: [stray, stray, stray] },
    );
    closeSync(stray);
    const pid = await relay.running();
    assert.ok(pid > 0);
    await relay.report('exited');
    const lines = relay.output.toString().split(/\r?\n/);
    const numbers = lines.filter((line) => line.includes(' -> ')).map((line) => line.split(' ')[0]);
    assert.deepEqual(numbers, ['0', '1', '2', '3'], relay.output.toString()); // 3 is ls itself reading the directory
    assert.match(lines.find((line) => line.startsWith('3 -> ')) ?? '', /\/proc\/\d+\/fd/);
    const commandLine = lines.find((line) => line.includes('bwrap')) ?? '';
    assert.match(commandLine, /--args 3/);
    assert.doesNotMatch(commandLine, /ro-bind|setenv/);
  });
}

test('a descriptor that is not marked does reach a payload: what the test above looks for is real', () => {
  const stray = openSync('/etc/hostname', 'r');
  const bwrap = ['--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', 'readlink', '/proc/self/fd/9'];
  const { stdout } = spawnSync('/usr/bin/bwrap', bwrap, {
    stdio: ['ignore', 'pipe', 'inherit', ...Array.from({ length: 7 }, () => stray)],
    encoding: 'utf8',
    timeout: 10_000,
  });
  closeSync(stray);
  assert.equal(stdout, '/etc/hostname\n');
});

test('relay cannot be read by its own uid, while an ordinary process can', async () => {
  await using relay = new RelayFixture(program, shell('sleep 100'), { terminal: true });
  const init = await relay.running();
  const read = (pid: number | undefined): number | null => {
    const { command, args } = dropPrivileges(TEST_UID, '/usr/bin/cat', [`/proc/${pid}/environ`]);
    return spawnSync(command, args, { timeout: 10_000 }).status;
  };
  assert.equal(read(relay.process.pid), 1);
  const bwrap = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${init}/status`, 'utf8'))?.[1]);
  assert.equal(read(bwrap), 0);
});

test('relay lets the payload run only when the launcher and a first control observer are there', async () => {
  await using relay = new RelayFixture(program, shell('stty size; read line; echo "got $line"'), { terminal: true, holdForObserver: true });
  await relay.go();
  await relay.report('ready');
  const watcher = await relay.attach('observe');
  assert.equal((await watcher.client.call('status', {})).state, 'waiting');
  const view = await relay.attach('control', { columns: 101, rows: 33 });
  await relay.report('running');
  await view.until(/33 101\r\n/);
  await assert.rejects(
    relay.attach('control').then((second) => second.all()),
    { code: 'control_taken' },
  );
  await view.type('hello\n');
  assert.deepEqual(await view.all(), { code: 0, signal: null });
  assert.match(view.text, /got hello\r\n$/);
  assert.equal((await watcher.all()).code, 0);
  assert.equal(watcher.text, view.text);
});

test('relay can be stopped while its command waits for an observer', async () => {
  await using relay = new RelayFixture(program, shell('echo ran'), { terminal: true, holdForObserver: true });
  await relay.go();
  await relay.report('ready');
  const client = await relay.connect();
  assert.deepEqual(await client.call('stop', { graceMilliseconds: 10_000 }), { code: null, signal: 'SIGKILL', reason: 'stopped' });
  await relay.report('failed');
  assert.equal(await relay.ended(), 0);
  assert.equal(relay.output.toString(), '');
});

test('relay serves only the uids it was told', async () => {
  await using relay = new RelayFixture(program, shell('sleep 100'), { allowedUids: [] });
  await relay.running();
  // A refused client may see its connection closed before it hears why.
  await assert.rejects(relay.connect(), (error) => hasCode(error, 'peer_refused') || hasCode(error, 'connection_lost'));
});

test('relay with an unwritable exit file still reports and ends', async () => {
  await using relay = new RelayFixture(program, shell('exit 3'), { exitFile: '/nonexistent/exit.json' });
  await relay.running();
  assert.equal((await relay.report('exited')).exit.code, 3);
  assert.equal(await relay.ended(), 0);
  assert.match(relay.log, /exit report was not written/);
  assert.ok(!existsSync(relay.exitFile));
});

test('relay has its uid and no power on any thread', async () => {
  await using relay = new RelayFixture(program, shell('sleep 100'));
  await relay.running();
  const tasks = readdirSync(`/proc/${relay.process.pid}/task`);
  assert.ok(tasks.length > 1);
  for (const task of tasks) {
    const status = readFileSync(`/proc/${relay.process.pid}/task/${task}/status`, 'utf8');
    assert.match(status, new RegExp(`^Uid:(\\s+${TEST_UID}){4}$`, 'm'));
    assert.match(status, new RegExp(`^Gid:(\\s+${TEST_UID}){4}$`, 'm'));
    assert.match(status, /^CapPrm:\s+0+\nCapEff:\s+0+\nCapBnd:\s+0+\nCapAmb:\s+0+\nNoNewPrivs:\s+1$/m);
  }
});

test('a second order is no "go"', async () => {
  await using relay = new RelayFixture(program, shell('echo ran'));
  await relay.report('started');
  const file = openSync('/etc/hostname', 'r');
  sendDescriptors(relay.process.stdio[3] as Socket, encodeOrder([TEST_UID + 1]), [file, file, file]);
  closeSync(file);
  assert.match(await relay.failure(), /"go"/);
  assert.equal(await relay.ended(), 0);
  assert.equal(relay.output.toString(), '');
});

test('relay that is ordered to be root ends, and nothing runs', async () => {
  await using relay = new RelayFixture(program, shell('echo ran'), { order: encodeOrder([0]) });
  assert.equal(await relay.ended(), 0);
  assert.match(relay.log, /expected a uid that is not root's/);
});
