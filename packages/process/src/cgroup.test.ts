// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { CgroupTree, type Cgroup } from './index.ts';

let tree: CgroupTree;
before(() => {
  tree = CgroupTree.open(`bureau-test-${process.pid}`);
});
after(() => {
  tree.remove();
  assert.equal(existsSync(tree.path), false);
});

const deadline = (): AbortSignal => AbortSignal.timeout(10_000);

/** A shell in the group (entered by itself, so that all it starts is inside) that says "up" when its script has run that far. */
async function shellIn(group: Cgroup, script: string): Promise<ChildProcess> {
  const child = spawn('/bin/sh', ['-c', `echo 0 > ${group.path}/cgroup.procs; ${script}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

test('Cgroup.create() twice is once; list() shows it; remove() twice is once', () => {
  const group = tree.group('p1');
  assert.equal(group.populated(), false);
  assert.deepEqual(group.pids(), []);
  group.create();
  group.create();
  tree.group('p2.x').create();
  assert.deepEqual(tree.list(), ['p1', 'p2.x']);
  group.remove();
  group.remove();
  group.kill();
  tree.group('p2.x').remove();
  assert.deepEqual(tree.list(), []);
});

test('Cgroup.add() moves a process, pids() and populated() tell it, remove() refuses while it lives', async () => {
  const group = tree.group('add');
  group.create();
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  group.add(child.pid ?? 0);
  assert.deepEqual(group.pids(), [child.pid]);
  assert.equal(group.populated(), true);
  assert.throws(() => group.remove(), { code: 'cgroup_busy', message: new RegExp(String(child.pid)) });
  group.kill();
  await group.whenEmpty(deadline());
  group.remove();
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  assert.equal(child.signalCode, 'SIGKILL');
});

test('Cgroup.add() of a process that has gone, and into a group that is not there', () => {
  const gone = spawnSync('/bin/true').pid;
  const group = tree.group('none');
  assert.throws(() => group.add(process.pid), { code: 'cgroup_failed' });
  group.create();
  assert.throws(() => group.add(gone), { code: 'process_gone' });
  group.remove();
});

test('Cgroup.kill() ends what ignores TERM, called setsid, was orphaned or is stopped', async () => {
  const group = tree.group('hard');
  group.create();
  const child = await shellIn(group, `trap '' TERM HUP INT; (setsid sleep 60 &) ; sleep 60 & kill -STOP $!; echo up; wait`);
  assert.ok(group.pids().length >= 3);
  group.kill();
  await group.whenEmpty(deadline());
  assert.deepEqual(group.pids(), []);
  group.remove();
  if (child.signalCode === null) await once(child, 'exit');
});

test('Cgroup.whenEmpty() waits for the last process, and only that', async () => {
  const group = tree.group('last');
  group.create();
  const first = await shellIn(group, 'echo up; exec sleep 60');
  const second = await shellIn(group, 'echo up; exec sleep 60');
  let empty = false;
  const whenEmpty = group.whenEmpty(deadline()).then(() => (empty = true));
  first.kill('SIGKILL');
  await once(first, 'exit');
  assert.equal(empty, false);
  second.kill('SIGKILL');
  await whenEmpty;
  group.remove();
});

test('Cgroup.whenEmpty() never misses the edge: 40 short-lived processes', async () => {
  const group = tree.group('edge');
  group.create();
  for (let round = 0; round < 40; round += 1) {
    const child = await shellIn(group, 'echo up; exit 0');
    await group.whenEmpty(deadline());
    if (child.exitCode === null) await once(child, 'exit');
  }
  group.remove();
});

test('Cgroup.whenEmpty() resolves for a group that is missing or removed meanwhile, and rejects on abort', async () => {
  await tree.group('missing').whenEmpty(deadline());
  const group = tree.group('abort');
  group.create();
  await group.whenEmpty(deadline());
  const child = await shellIn(group, 'echo up; exec sleep 60');
  const reason = new Error('enough');
  const controller = new AbortController();
  const waiting = group.whenEmpty(controller.signal);
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(group.whenEmpty(AbortSignal.abort(reason)), reason);
  group.kill();
  await group.whenEmpty(deadline());
  group.remove();
  if (child.signalCode === null) await once(child, 'exit');
});

test('Cgroup.kill(), pids() and remove() reach groups below', async () => {
  const group = tree.group('outer');
  group.create();
  mkdirSync(`${group.path}/inner`);
  const child = spawn('/bin/sh', ['-c', `echo 0 > ${group.path}/inner/cgroup.procs; echo up; exec sleep 60`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  assert.deepEqual(group.pids(), [child.pid]);
  group.kill();
  await group.whenEmpty(deadline());
  group.remove();
  assert.equal(existsSync(group.path), false);
});

test('CgroupTree.open() on an existing tree keeps its groups (adoption after a crash)', async () => {
  const group = tree.group('adopted');
  group.create();
  const child = await shellIn(group, 'echo up; exec sleep 60');
  const again = CgroupTree.open(`bureau-test-${process.pid}`);
  assert.ok(again.list().includes('adopted'));
  assert.deepEqual(again.group('adopted').pids(), [child.pid]);
  again.group('adopted').kill();
  await again.group('adopted').whenEmpty(deadline());
  group.remove();
});

test('CgroupTree.group() refuses names that leave the tree or hide', () => {
  for (const name of ['', '.', '..', 'a/b', '../x', 'A', 'a..b', '.a', 'a.', '-a', 'a\0', 'ä', 'x'.repeat(65)]) {
    assert.throws(() => tree.group(name), { code: 'bad_cgroup_name' }, JSON.stringify(name));
    assert.throws(() => CgroupTree.open(name), { code: 'bad_cgroup_name' }, JSON.stringify(name));
  }
});

test('Cgroup.create() does not take a file of the kernel for a group', () => {
  assert.throws(() => tree.group('cgroup.procs').create(), { code: 'cgroup_failed' });
});

test('CgroupTree.open() says what is missing: no unified tree, not writable, an old kernel', () => {
  const directory = mkdtempSync('/tmp/process-');
  assert.throws(() => CgroupTree.open('bureau', { roots: [directory] }), {
    code: 'cgroup_unavailable',
    message: /no unified tree is mounted/,
  });
  writeFileSync(`${directory}/cgroup.controllers`, '');
  assert.throws(() => CgroupTree.open('bureau', { roots: [directory] }), { code: 'cgroup_unavailable', message: /Linux 5\.14/ });
  writeFileSync(`${directory}/taken`, '');
  assert.throws(() => CgroupTree.open('taken', { roots: [directory] }), { code: 'cgroup_unavailable', message: /could not be made/ });
  rmSync(directory, { recursive: true });
});
