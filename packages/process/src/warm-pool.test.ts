// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { CgroupTree, WarmPool, groupsByUid, readProcess, readProcessStatus, systemClock, type PoolMember } from './index.ts';
import { parseProcessStatus, type ProcessStatus } from './process-status.ts';

/** Below every instance's range; another one in each test process. */
const UID = 198_000 + (process.pid % 1_000);
const POWERS = (1n << 6n) | (1n << 7n); // SETGID, SETUID
const ENVIRONMENT = { PATH: '/usr/bin:/bin' };

/** A member: becomes who the order says, tells its own attempts to come back, repeats for each further order, ends with its parent. */
const PROGRAM = `
import { fstatSync, writeSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
const { becomeUser, waitForOrder } = await import(${JSON.stringify(import.meta.resolve('./index.ts'))});
const order = waitForOrder(3, 4, 1, 1);
if (order === null) process.exit(0);
const say = (value) => writeSync(order.descriptors[0], JSON.stringify(value) + '\\n');
try {
  if (order.numbers[0] !== 1) becomeUser(order.numbers[0]);
} catch (error) { say(error.code); process.exit(1); }
const attempt = (task) => { try { task(); return 'done'; } catch (error) { return error.code; } };
say({
  uid: attempt(() => process.setuid(0)), gid: attempt(() => process.setgid(0)), groups: attempt(() => process.setgroups([0])),
  other: attempt(() => process.setuid(1)),
  child: /CapInh.*CapAmb:\\s*\\w+/s.exec(spawnSync('/bin/cat', ['/proc/self/status']).stdout.toString())?.[0].match(/[1-9a-f]0*$/gm) ?? 'none',
});
const second = waitForOrder(3, 4, 1, 1);
if (second !== null) say({ second: attempt(() => becomeUser(second.numbers[0])) });
`;

let tree: CgroupTree;
let directory: string;
before(() => {
  tree = CgroupTree.open(`bureau-test-${process.pid}`);
  directory = mkdtempSync('/tmp/warm-pool-');
  writeFileSync(join(directory, 'member.mjs'), PROGRAM);
});
after(() => {
  tree.remove();
  rmSync(directory, { recursive: true });
});

interface TestPool extends AsyncDisposable {
  readonly pool: WarmPool;
  readonly failures: string[];
}

function openPool(size: number, script = join(directory, 'member.mjs')): TestPool {
  const failures: string[] = [];
  const pool = new WarmPool({
    size,
    program: {
      command: process.execPath,
      args: [script],
      hurriedArgs: ['--hurried'],
      environment: ENVIRONMENT,
      openLog: () => openSync(join(directory, 'log'), 'a'),
    },
    tree,
    prefix: 'pool',
    clock: systemClock,
    onFailure: (message) => failures.push(message),
  });
  return { pool, failures, [Symbol.asyncDispose]: () => pool.close() };
}

/** Gives the order; what the member said until it waits again or has ended. */
async function give(member: PoolMember, uid: number): Promise<unknown> {
  const file = join(directory, `said-${member.pid}`);
  const said = openSync(file, 'a');
  member.order([uid], [said]);
  closeSync(said);
  await Promise.race([once(member.reports, 'data'), member.exited]);
  return JSON.parse(readFileSync(file, 'utf8')) as unknown;
}

function threads(pid: number): ProcessStatus[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.map((task) => parseProcessStatus(readFileSync(`/proc/${pid}/task/${task}/status`, 'latin1')));
}

test('a member waits as root with SETUID and SETGID alone, and nothing of anybody in argv, environment or descriptors', async () => {
  await using own = openPool(1);
  await own.pool.fill();
  const [member] = own.pool.waiting;
  assert.ok(member !== undefined);
  for (const status of threads(member.pid)) {
    assert.deepEqual([status.uids[0], status.capPermitted, status.capBounding, status.noNewPrivileges], [0, POWERS, 0n, true]);
  }
  assert.equal(readFileSync(`/proc/${member.pid}/environ`, 'utf8'), 'PATH=/usr/bin:/bin\0');
  assert.equal(readFileSync(`/proc/${member.pid}/cmdline`, 'utf8'), `${process.execPath}\0${join(directory, 'member.mjs')}\0`);
  const sockets = readdirSync(`/proc/${member.pid}/fd`).filter((fd) => readlinkSync(`/proc/${member.pid}/fd/${fd}`).startsWith('socket:'));
  assert.deepEqual(sockets, ['3', '4']);
  // Another user, as a stolen daemon is, has no way to those: root may look, it may not.
  const look = (...who: string[]): number | null =>
    spawnSync('/usr/bin/setpriv', [...who, '/bin/ls', `/proc/${member.pid}/fd/`], { stdio: 'ignore' }).status;
  assert.equal(look('--reuid', '0'), 0);
  assert.notEqual(look('--reuid', String(UID), '--clear-groups'), 0);
});

test('after its order a member is that user on all threads, for good, and starts others without any power', async () => {
  await using own = openPool(0);
  const member = await own.pool.take();
  try {
    assert.deepEqual(await give(member, UID), { uid: 'EPERM', gid: 'EPERM', groups: 'EPERM', other: 'EPERM', child: 'none' });
    for (const status of threads(member.pid)) {
      assert.deepEqual([status.uids, status.gids, status.groups], [Array(4).fill(UID), Array(4).fill(UID), []]);
      assert.deepEqual([status.capPermitted, status.capEffective, status.capBounding, status.capAmbient], [0n, 0n, 0n, 0n]);
      assert.equal(status.noNewPrivileges, true);
      // inheritable.test.ts says what that is worth.
      assert.equal(status.capInheritable & ~POWERS, 0n);
    }
    assert.equal(readProcessStatus(member.pid)?.capInheritable, 0n);
    // What is not dumpable is root's, whoever runs it.
    assert.equal(statSync(`/proc/${member.pid}/environ`).uid, 0);
    // Its group stays the one that it waited in, and tells who it has become.
    assert.deepEqual(
      [...groupsByUid(tree, 'pool')].map(([uid, groups]) => [uid, groups.map(({ path }) => path)]),
      [[UID, [member.group.path]]],
    );
    assert.deepEqual(
      tree.list().map((name) => tree.group(name).path),
      [member.group.path],
    );
    // A second order finds nobody who could obey it.
    const file = openSync(join(directory, 'second'), 'a');
    member.order([UID + 1], [file]);
    closeSync(file);
    await member.exited;
    assert.match(readFileSync(join(directory, `said-${member.pid}`), 'utf8'), /"second":"EPERM"/);
  } finally {
    await member.end();
  }
  assert.deepEqual(tree.list(), []);
});

test('without becomeUser() the same member comes back to root and elsewhere', async () => {
  await using own = openPool(0);
  const member = await own.pool.take();
  try {
    const said = (await give(member, 1)) as Record<string, unknown>;
    assert.deepEqual([said['uid'], said['gid'], said['groups'], said['other']], ['done', 'done', 'done', 'done']);
  } finally {
    await member.end();
  }
});

test('becomeUser() refuses uid 0 and what is not a uid', async () => {
  await using own = openPool(0);
  for (const uid of [0, 0xffff_ffff]) {
    const member = await own.pool.take();
    assert.equal(await give(member, uid), 'bad_uid');
    await member.end();
  }
});

test('a member refuses an order with other bytes, or with other descriptors, and ends', async () => {
  await using own = openPool(0);
  const file = openSync('/etc/hostname', 'r');
  for (const attack of [
    (member: PoolMember) => member.order([UID], [file, file]),
    (member: PoolMember) => void member.instructions.end('XXXX\0\0\0\0'),
    (member: PoolMember) => void member.instructions.end('BRO1'),
  ]) {
    const member = await own.pool.take();
    attack(member);
    assert.deepEqual(await member.exited, { code: 1, signal: null });
    await member.end();
  }
  closeSync(file);
});

test('WarmPool gives each member once, replaces those that end while they wait, and leaves nothing when closed', async () => {
  const own = openPool(2);
  await own.pool.fill();
  const [first, second] = own.pool.waiting;
  const taken = await own.pool.take();
  assert.equal(taken, first);
  assert.equal(await own.pool.take(), second);
  const cold = await own.pool.take();
  assert.ok(![first, second].includes(cold));
  await own.pool.fill();
  const [third] = own.pool.waiting;
  process.kill(third!.pid, 'SIGKILL');
  await third!.exited;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([own.pool.waiting.includes(third!), own.failures.length], [false, 1]);
  for (const member of [taken, second!, cold]) await member.end();
  const left = own.pool.waiting.map(({ pid }) => pid);
  await own.pool.close();
  assert.deepEqual(tree.list(), []);
  for (const pid of left) assert.ok((readProcess(pid)?.zombie ?? true) === true);
});

test('WarmPool.close() leaves nothing of a member that is just being started, whatever it has come to', async () => {
  for (const turns of [0, 1, 10, 100]) {
    await using own = openPool(2);
    const filling = own.pool.fill();
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    await own.pool.close();
    assert.deepEqual([tree.list(), own.failures], [[], []], `after ${turns} turns`);
    await filling;
  }
});

test('WarmPool tells of a program that does not come to wait, and take() says so', async () => {
  const broken = join(directory, 'broken.mjs');
  writeFileSync(broken, 'process.exit(3)');
  await using own = openPool(1, broken);
  await own.pool.fill();
  assert.match(own.failures[0] ?? '', /say that it is ready/);
  await assert.rejects(own.pool.take(), { code: 'member_not_warm' });
});

test('members end with the process that keeps them, and clear() ends what does not', async () => {
  const keeper = `
    import { openSync } from 'node:fs';
    const { CgroupTree, WarmPool, systemClock } = await import(${JSON.stringify(import.meta.resolve('./index.ts'))});
    const pool = new WarmPool({ size: 1, prefix: 'pool', clock: systemClock, onFailure: () => {}, tree: CgroupTree.open(${JSON.stringify(`bureau-test-${process.pid}`)}),
      program: { command: process.execPath, args: [${JSON.stringify(join(directory, 'member.mjs'))}], environment: {}, openLog: () => openSync('/dev/null', 'a') } });
    await pool.fill();
    console.log(pool.waiting[0].pid);
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', keeper], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = Number(await text(child.stdout));
  assert.ok(pid > 0);
  const left = tree.group(`pool-${child.pid}-1`);
  await left.whenEmpty(AbortSignal.timeout(10_000));
  const stray = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
  const ended = once(stray, 'exit');
  left.add(stray.pid ?? 0);
  await using own = openPool(0);
  await own.pool.clear(new Set());
  await ended;
  assert.deepEqual(tree.list(), []);
});

test('WarmPool tells the program whether somebody waits for it', async () => {
  for (const [size, hurried] of [
    [0, true],
    [1, false],
  ] as const) {
    await using opened = openPool(size);
    await opened.pool.fill();
    const member = await opened.pool.take();
    try {
      assert.equal(readFileSync(`/proc/${member.pid}/cmdline`, 'latin1').split('\0').includes('--hurried'), hurried);
    } finally {
      await member.end();
    }
  }
});

test('PoolMember.ready() rejects with what the member says instead of serving, in pieces and behind garbage too', async () => {
  const script = join(directory, 'failing.mjs');
  const said = `failed: EROFS: read-only file system, open '/x'`;
  for (const [words, why] of [
    [`sayFailed(4, new Error('EROFS: read-only file system, open \\'/x\\''))`, said.slice(8)],
    [`for (const piece of ${JSON.stringify(said)}) writeSync(4, piece)`, said.slice(8)],
    [`writeSync(4, 'garbage' + ${JSON.stringify(said)})`, undefined],
    [``, undefined],
  ] as const) {
    writeFileSync(
      script,
      `import { writeSync } from 'node:fs';
const { waitForOrder, sayFailed } = await import(${JSON.stringify(import.meta.resolve('./index.ts'))});
if (waitForOrder(3, 4, 1, 1) === null) process.exit(0);
${words};
`,
    );
    await using opened = openPool(1, script);
    const member = await opened.pool.take();
    const nowhere = openSync('/dev/null', 'w');
    member.order([1], [nowhere]);
    closeSync(nowhere);
    await assert.rejects(member.ready(), { code: 'member_not_warm', data: why === undefined ? {} : { why } });
    await member.end();
  }
});

test('WarmPool.clear() spares what serves somebody, and never makes a member in a group that is there', async () => {
  const names = [1, 2, 3, 4].map((at) => `pool-${process.pid}-${at}`);
  const [kept, ended] = await Promise.all(
    names.slice(0, 2).map(async (name) => {
      const group = tree.group(name);
      group.create();
      const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
      await once(child, 'spawn');
      group.add(child.pid ?? 0);
      return { group, exited: once(child, 'exit') };
    }),
  );
  assert.ok(kept !== undefined && ended !== undefined);
  await using own = openPool(1);
  await own.pool.clear(new Set([kept.group.path]));
  await ended.exited;
  assert.equal(kept.group.populated(), true);
  await own.pool.fill();
  assert.equal(own.pool.waiting[0]?.group.path, tree.group(names[2] ?? '').path);
  await own.pool.close();
  await own.pool.take().then((member) => {
    assert.equal(member.group.path, tree.group(names[3] ?? '').path);
    return member.end();
  });
  kept.group.kill();
  await kept.exited;
  await kept.group.whenEmpty(AbortSignal.timeout(5_000));
  kept.group.remove();
  assert.deepEqual(tree.list(), []);
});
