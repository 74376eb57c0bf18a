// SPDX-License-Identifier: Apache-2.0
// bureau-starter as a relay has it: with its powers, over its socket. What it makes is looked at from the host's side.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { openPipe, sendDescriptors } from '@bureau/native';
import { compileStarter } from '@bureau/observe/testing';
import { CgroupTree, identityPowers, readProcess, readProcessStatus, type LimitedCgroup } from '@bureau/process';

const UID = 197_000 + (process.pid % 1_000);
const directory = mkdtempSync(join(tmpdir(), 'bureau-starter-'));
const program = join(directory, 'bureau-starter');
compileStarter(program);
const tree = CgroupTree.open(`bureau-starter-test-${process.pid}`);
after(() => {
  rmSync(directory, { recursive: true });
  tree.remove();
});

/** A starter; `said` is what it told its relay until its end. */
interface Started extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly control: Socket;
  readonly group: LimitedCgroup;
  readonly said: Promise<string>;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  order(uid: number, magic?: string): void;
  run(words: string, descriptors: readonly number[], length?: number): void;
}

function start(name: string): Started {
  const group = tree.limited(name, {});
  group.create();
  const line = identityPowers(program, []);
  const child = spawn(line.command, line.args, { stdio: ['ignore', 'ignore', 'inherit', 'pipe'], env: {}, cwd: '/' });
  const control = child.stdio[3] as Socket;
  control.on('error', () => undefined);
  const ended = once(child, 'exit').then(([code, signal]) => ({ code: code as number | null, signal: signal as NodeJS.Signals | null }));
  return {
    process: child,
    control,
    group,
    said: allOf(control),
    ended,
    order: (uid, magic = 'BRS1') => {
      using birth = group.openForBirth();
      sendDescriptors(control, message(magic, uid), birth.descriptors);
    },
    run: (words, descriptors, length = Buffer.byteLength(words)) => {
      // In one piece: what refuses it may be gone before a second one.
      sendDescriptors(control, Buffer.concat([message('BRR1', length), Buffer.from(words)]), descriptors);
    },
    async [Symbol.asyncDispose]() {
      control.destroy();
      group.kill();
      await ended;
      await group.whenEmpty(AbortSignal.timeout(10_000));
      group.remove();
    },
  };
}

/** All that came until the socket closed; one that is closed with words unread ends with an error behind what it said. */
function allOf(control: Socket): Promise<string> {
  let said = '';
  control.on('data', (piece: Buffer) => (said += piece.toString()));
  return new Promise((resolve) => control.once('close', () => resolve(said)));
}

function message(magic: string, number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.write(magic, 'latin1');
  bytes.writeUInt32BE(number, 4);
  return bytes;
}

/** Looks until there is something; fails after ten seconds. */
async function found<Thing>(otherwise: string, look: () => Thing | undefined): Promise<Thing> {
  for (const deadline = performance.now() + 10_000; ; await new Promise((resolve) => setTimeout(resolve, 1))) {
    const thing = look();
    if (thing !== undefined) return thing;
    assert.ok(performance.now() < deadline, `${otherwise} after 10 s`);
  }
}

/** The process that it made, once it waits with its uid. */
function born({ group }: Started): Promise<number> {
  return found('nothing is born', () => group.pids().find((pid) => readProcessStatus(pid)?.capInheritable === 0n));
}

/** Runs a shell script as the program; all that it puts out. */
async function runShell(starter: Started, script: string): Promise<string> {
  const [input, output] = [openSync('/dev/null', 'r'), openPipe()];
  starter.run(['/bin/sh', '-c', script, ''].join('\0'), [input, output.write, output.write, input, output.write]);
  for (const descriptor of [input, output.write]) closeSync(descriptor);
  const read = spawn('/bin/cat', [], { stdio: [output.read, 'pipe', 'inherit'] });
  closeSync(output.read);
  return text(read.stdout!);
}

test('the process of a sandbox is in its groups, of its uid and without any power before it hears a word', async () => {
  await using starter = start('born');
  starter.order(UID);
  const pid = await born(starter);
  for (const each of [pid, starter.process.pid!]) {
    const status = readProcessStatus(each);
    assert.deepEqual([status?.uids, status?.gids, status?.groups], [Array(4).fill(UID), Array(4).fill(UID), []]);
    const { capPermitted, capEffective, capInheritable, capBounding, capAmbient, noNewPrivileges } = status!;
    assert.deepEqual([capPermitted, capEffective, capInheritable, capBounding, capAmbient, noNewPrivileges], [0n, 0n, 0n, 0n, 0n, true]);
    // What is not dumpable is root's to look at, and no process of its own uid can trace it.
    assert.throws(() => readlinkAs(UID, each), 'not dumpable');
  }
  assert.deepEqual(starter.group.pids(), [pid]);
  for (const { root } of tree.controllers.present.filter(({ version }) => version === 1))
    assert.equal(readFileSync(join(root, basename(tree.path), 'born/tasks'), 'utf8'), `${pid}\n`, root);
  assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(), '500');
  // Nobody of the payload's uid holds a way into a group.
  for (const each of [pid, starter.process.pid!]) {
    const open = readdirSync(`/proc/${each}/fd`).map((fd) => readlinkSync(`/proc/${each}/fd/${fd}`));
    assert.deepEqual(
      open.filter((target) => target.includes('cgroup')),
      [],
    );
  }
});

test('the program has exactly its descriptors, no environment, a session of its own; its end is passed on', async () => {
  for (const [end, expected] of [
    ['exit 7', { code: 7, signal: null }],
    ['kill -TERM $$', { code: null, signal: 'SIGTERM' }],
  ] as const) {
    await using starter = start('runs');
    starter.order(UID);
    const pid = await born(starter);
    const script = `echo $$ $PPID; /usr/bin/id -u; /usr/bin/id -G; for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; echo; pwd; /usr/bin/tr '\\0' ' ' </proc/$$/environ; read -r line </proc/$$/stat; echo "$line" | /usr/bin/cut -d ' ' -f 6; ${end}`;
    const lines = (await runShell(starter, script)).split('\n');
    assert.deepEqual(lines, [`${pid} ${starter.process.pid}`, String(UID), String(UID), '0 1 2 3 4 ', '/', String(pid), '']);
    assert.deepEqual(await starter.ended, expected);
  }
});

test('a program that cannot be run says so where the payload would', async () => {
  await using starter = start('missing');
  starter.order(UID);
  const output = openPipe();
  starter.run('/nonexistent\0', [output.write, output.write, output.write]);
  closeSync(output.write);
  const read = spawn('/bin/cat', [], { stdio: [output.read, 'pipe', 'inherit'] });
  closeSync(output.read);
  assert.equal(await text(read.stdout!), 'bwrap: cannot run /nonexistent: No such file or directory\n');
  assert.deepEqual(await starter.ended, { code: 127, signal: null });
});

test('a killed starter takes its program along', async () => {
  await using starter = start('killed');
  starter.order(UID);
  const pid = await born(starter);
  void runShell(starter, 'sleep 1000 & wait');
  starter.process.kill('SIGKILL');
  await starter.ended;
  await found('it lives on', () => readProcess(pid)?.zombie !== false || undefined);
});

test('a TERM to all of the relay’s group is the relay’s to answer: the starter lives on, and its program with what it does by default', async () => {
  await using starter = start('terminated');
  starter.order(UID);
  const pid = await born(starter);
  const said = runShell(starter, 'echo ready; sleep 1000 & wait');
  const ignored = (): bigint => BigInt(`0x${/^SigIgn:\s+(\w+)$/m.exec(readFileSync(`/proc/${starter.process.pid}/status`, 'utf8'))?.[1]}`);
  // Before it has its uid nothing of a payload is there to be stopped.
  const theirs = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  const all = theirs.reduce((mask, name) => mask | (1n << BigInt(constants.signals[name] - 1)), 0n);
  await found('it heeds all of them', () => (ignored() & all) === all || undefined);
  for (const name of theirs) starter.process.kill(name);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(starter.process.exitCode ?? starter.process.signalCode, null);
  process.kill(pid, 'SIGTERM');
  assert.deepEqual(await starter.ended, { code: null, signal: 'SIGTERM' }, 'the program has them as they were');
  starter.group.kill();
  await said;
});

const BAD_ORDERS: Readonly<Record<string, readonly [(starter: Started) => void, RegExp]>> = {
  'to be root': [(starter) => starter.order(0), /a uid that is not root's/],
  'to be nobody in particular': [(starter) => starter.order(0xffff_ffff), /a uid that is not root's/],
  'of another build': [(starter) => starter.order(UID, 'BRS2'), /must be of one build/],
  'without a group': [(starter) => void starter.control.write(message('BRS1', UID)), /a control group, found none/],
  'into what is no group': [
    ({ control }) => {
      const other = openSync('/tmp', 'r');
      sendDescriptors(control, message('BRS1', UID), [other]);
      closeSync(other);
    },
    /cannot make a process in the sandbox's control group/,
  ],
  'cut off': [(starter) => void starter.control.end(message('BRS1', UID).subarray(0, 5)), /found 5 other bytes/],
};
for (const [name, [give, said]] of Object.entries(BAD_ORDERS)) {
  test(`an order ${name} makes nothing`, async () => {
    await using starter = start('bad');
    give(starter);
    assert.match(await starter.said, said);
    assert.equal((await starter.ended).code, 125);
    assert.deepEqual(starter.group.pids(), []);
  });
}

const BAD_RUNS: Readonly<Record<string, readonly [(starter: Started, descriptor: number) => void, RegExp]>> = {
  'without descriptors for 0, 1, 2': [(starter, fd) => starter.run('/bin/true\0', [fd]), /for 0, 1 and 2, found 1/],
  'without a NUL at its end': [(starter, fd) => starter.run('/bin/true', [fd, fd, fd]), /a NUL behind the last word/],
  'of no words': [(starter, fd) => starter.run('', [fd, fd, fd]), /1 to 2097152 bytes/],
  'of too many words': [(starter, fd) => starter.run('', [fd, fd, fd], 0xffff_fff0), /1 to 2097152 bytes/],
};
for (const [name, [give, said]] of Object.entries(BAD_RUNS)) {
  test(`a run ${name} starts nothing`, async () => {
    await using starter = start('bad-run');
    starter.order(UID);
    await born(starter);
    const nowhere = openSync('/dev/null', 'r+');
    give(starter, nowhere);
    closeSync(nowhere);
    assert.match(await starter.said, said);
    assert.equal((await starter.ended).code, 125);
  });
}

test('a relay that goes away before it has said all starts nothing', async () => {
  for (const words of ['', '/bin/tou']) {
    await using starter = start('alone');
    starter.order(UID);
    await born(starter);
    if (words !== '') {
      const nowhere = openSync('/dev/null', 'r+');
      starter.run(words, [nowhere, nowhere, nowhere], 100);
      closeSync(nowhere);
    }
    starter.control.end();
    assert.deepEqual(await starter.ended, { code: 0, signal: null });
  }
});

/** Looks at a process's root as an ordinary user; throws when that is refused. */
function readlinkAs(uid: number, pid: number): string {
  process.seteuid?.(uid);
  try {
    return readlinkSync(`/proc/${pid}/root`);
  } finally {
    process.seteuid?.(0);
  }
}
