// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { findControllers } from './cgroup-controllers.ts';
import { limitFiles, type GroupLimits } from './cgroup-limit-files.ts';
import { CgroupTree, type LimitedCgroup } from './index.ts';

const MIB = 2 ** 20;
let tree: CgroupTree;
before(() => {
  tree = CgroupTree.open(`bureau-limit-${process.pid}`);
});
after(() => {
  const trees = tree.controllers.present.map(({ root }) => `${root}/bureau-limit-${process.pid}`);
  tree.remove();
  for (const path of [tree.path, ...trees]) assert.equal(existsSync(path), false, path);
});

/** Runs a Python program that waits for its group before its first line; resolves with how it ended and what it said. */
async function runIn(group: LimitedCgroup, program: string): Promise<{ code: number | null; signal: string | null; said: string }> {
  const child = spawn('/usr/bin/python3', ['-c', `import sys, os\nsys.stdin.readline()\n${program}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  group.add(child.pid ?? 0);
  child.stdin.end('go\n');
  const closed = once(child, 'close');
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  group.kill();
  await closed;
  await group.whenEmpty(AbortSignal.timeout(10_000));
  return { code, signal, said };
}

/** Runs the program in a group with these limits, and, as a control, in one with none. */
async function attack(
  limits: GroupLimits,
  program: string,
): Promise<{ held: Awaited<ReturnType<typeof runIn>>; hits: ReturnType<LimitedCgroup['hits']>; free: Awaited<ReturnType<typeof runIn>> }> {
  const group = tree.limited('held', limits);
  group.create();
  const held = await runIn(group, program);
  const hits = group.hits();
  group.remove();
  const open = tree.limited('free', {});
  open.create();
  const free = await runIn(open, program);
  assert.deepEqual(open.hits(), { memory: false, pids: false });
  open.remove();
  assert.deepEqual(tree.list(), []);
  return { held, hits, free };
}

test('this host has memory, pids and cpu controllers, of one version or the other', () => {
  assert.deepEqual(
    tree.controllers.present.map(({ name }) => name).filter((name) => name !== 'io'),
    ['memory', 'pids', 'cpu'],
  );
});

test('LimitedCgroup kills what takes more memory than its limit, and says so', async () => {
  const { held, hits, free } = await attack(
    { memory: 64 * MIB },
    `block = bytearray(${128 * MIB}); block[::4096] = b"x" * len(block[::4096]); print("mine")`,
  );
  assert.deepEqual(held, { code: null, signal: 'SIGKILL', said: '' });
  assert.deepEqual(hits, { memory: true, pids: false });
  assert.deepEqual(free, { code: 0, signal: null, said: 'mine\n' });
});

test('LimitedCgroup refuses the process above its limit, and says so', async () => {
  const program = `
made = 0
try:
    for _ in range(40):
        if os.fork() == 0:
            import time; time.sleep(1000)
        made += 1
except BlockingIOError: pass
print(made, flush=True)
`;
  const { held, hits, free } = await attack({ pids: 10 }, program);
  assert.equal(held.said, '9\n');
  assert.deepEqual(hits, { memory: false, pids: true });
  assert.equal(free.said, '40\n');
});

test('LimitedCgroup slows what takes more of a processor than its quota', async () => {
  const { held, free } = await attack(
    { cpuQuota: 10 },
    // Without what it took to start: a slow machine takes as much for that as it has here in a second.
    `import time\nbegan = time.process_time()\nend = time.monotonic() + 1.0\nwhile time.monotonic() < end: pass\nprint(time.process_time() - began)`,
  );
  assert.ok(Number(held.said) < 0.3, `took ${held.said} s of one second`);
  assert.ok(Number(free.said) > Number(held.said) * 1.5, `took ${free.said} s without a limit`);
});

test('LimitedCgroup.create() makes the group anew: counters of the one before are gone', async () => {
  const { hits } = await attack({ pids: 1 }, 'try: os.fork()\nexcept BlockingIOError: pass');
  assert.equal(hits.pids, true);
  const group = tree.limited('held', { pids: 1 });
  group.create();
  assert.deepEqual(group.hits(), { memory: false, pids: false });
  group.create();
  group.remove();
});

test('LimitedCgroup.create() fails when a limit cannot be set', () => {
  const group = tree.limited('refused', { memory: -5 });
  assert.throws(() => group.create(), { code: 'cgroup_failed', message: /memory/ });
  group.remove();
});

test('LimitedCgroup.make() leaves a group without limits, anew; hold() sets them', async () => {
  const group = tree.limited('held', { pids: 1 });
  group.make();
  const fork = 'try: os.fork(); print("forked")\nexcept BlockingIOError: print("refused")';
  assert.match((await runIn(group, fork)).said, /forked/);
  group.make();
  group.hold();
  assert.equal((await runIn(group, fork)).said, 'refused\n');
  assert.deepEqual(group.hits(), { memory: false, pids: true });
  group.make();
  assert.deepEqual(group.hits(), { memory: false, pids: false });
  group.remove();
  assert.deepEqual(tree.list(), []);
});

test('limitFiles() says the same in both versions', () => {
  const limits: GroupLimits = { memory: 1_000, pids: 5, cpuWeight: 200, cpuQuota: 150, ioWeight: 5_000 };
  const text = (version: 1 | 2): string[] => limitFiles(limits, version).map(({ file, value }) => `${file}=${value}`);
  assert.deepEqual(text(2), [
    'memory.max=1000',
    'memory.swap.max=0',
    'pids.max=5',
    'cpu.weight=200',
    'cpu.max=150000 100000',
    'io.weight=default 5000',
  ]);
  assert.deepEqual(text(1), [
    'memory.limit_in_bytes=1000',
    'memory.memsw.limit_in_bytes=1000',
    'pids.max=5',
    'cpu.shares=2048',
    'cpu.cfs_period_us=100000',
    'cpu.cfs_quota_us=150000',
    'blkio.bfq.weight=1000',
  ]);
  assert.deepEqual([...limitFiles({}, 1), ...limitFiles({}, 2)], []);
});

test('findControllers() takes the unified tree first, then version 1, and says what is missing', () => {
  const root = mkdtempSync('/tmp/controllers-');
  const instance = `${root}/bureau`;
  const mounts = ['memory', 'pids', 'cpu,cpuacct']
    .map((options) => `cgroup ${root}/v1/${options} cgroup rw,relatime,${options} 0 0`)
    .join('\n');
  for (const options of ['memory', 'pids', 'cpu,cpuacct']) mkdirSync(`${root}/v1/${options}`, { recursive: true });
  assert.deepEqual(
    findControllers(instance, mounts).present.map(({ name, version, root: at }) => `${name} ${version} ${at}`),
    [`memory 1 ${root}/v1/memory`, `pids 1 ${root}/v1/pids`, `cpu 1 ${root}/v1/cpu,cpuacct`],
  );
  assert.deepEqual(
    findControllers(instance, '').missing.map(({ name }) => name),
    ['memory', 'pids', 'cpu', 'io'],
  );
  const broken = findControllers(instance, `cgroup /proc/none cgroup rw,memory 0 0`);
  assert.match(broken.missing[0]?.reason ?? '', /\/proc\/none\/bureau cannot be made/);
  writeFileSync(`${root}/cgroup.controllers`, 'cpuset cpu io memory pids\n');
  // No file to switch them on: refused. A controller is in one tree only, so no other is looked for.
  const refused = findControllers(instance, mounts);
  assert.deepEqual(refused.present, []);
  assert.match(refused.missing[0]?.reason ?? '', /subtree_control does not take "\+memory"/);
  writeFileSync(`${root}/cgroup.subtree_control`, 'memory pids cpu io');
  rmSync(instance, { recursive: true, force: true });
  const made = mkdtempSync(`${root}/x-`);
  writeFileSync(`${made}/cgroup.subtree_control`, '');
  assert.deepEqual(
    findControllers(made, mounts).present.map(({ name, version }) => `${name} ${version}`),
    ['memory 2', 'pids 2', 'cpu 2', 'io 2'],
  );
  rmSync(root, { recursive: true });
});
