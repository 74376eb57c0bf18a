// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { CgroupTree, readProcess, startChild, type Child, type StartChildOptions } from './index.ts';
import { markedProcesses, markedShell } from './marked-shell.testing.ts';

let tree: CgroupTree;
let directory: string;
before(() => {
  tree = CgroupTree.open(`bureau-test-${process.pid}`);
});
after(() => {
  tree.remove();
});
beforeEach(() => {
  directory = mkdtempSync('/tmp/process-');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function start(script: string, more: Partial<StartChildOptions> = {}): Promise<Child> {
  return startChild(markedShell(directory, script, more));
}

function marked(): number[] {
  return markedProcesses(directory);
}

const READY = 'echo ready >&3; exec 3>&-';
/** Trees that do not go when asked. */
const HARD: Readonly<Record<string, string>> = {
  'ignores TERM': `trap '' TERM HUP INT; sleep 60 & ${READY}; while :; do wait; sleep 1; done`,
  'double-forked': `(sleep 60 3>&- & ) ; ${READY}; wait; exec sleep 60`,
  stopped: `sleep 60 & kill -STOP $!; ${READY}; kill -STOP $$; exec sleep 60`,
  'ends at once and leaves its orphans': `trap 'exit 0' TERM; sleep 60 & (sleep 60 & ) ; ${READY}; wait`,
  'spread over process groups': `bash -c 'set -m; sleep 60 3>&- & disown'; ${READY}; exec sleep 60`,
  'forks all the time': `trap '' TERM; ${READY}; f() { while :; do sleep 60 & sleep 0.001; done; }; f & f & f & f & wait`,
};
const HIDDEN: Readonly<Record<string, string>> = {
  "setsid'ed": `setsid sh -c "trap '' TERM; exec sleep 60" 3>&- & ${READY}; wait`,
};
const HIDDEN_ORPHANS: Readonly<Record<string, string>> = {
  "double-forked and setsid'ed": `(setsid sh -c "trap '' TERM HUP; exec sleep 60" 3>&- &) ; ${READY}; exec sleep 60`,
};

async function gone(script: string, more: Partial<StartChildOptions>): Promise<void> {
  const child = await start(script, more);
  while (marked().length === 0) await new Promise((resolve) => setImmediate(resolve));
  await child.stop(50);
  assert.deepEqual(marked(), []);
}

for (const [what, script] of Object.entries({ ...HARD, ...HIDDEN, ...HIDDEN_ORPHANS })) {
  test(`Child.stop() with a control group leaves nothing of a tree that is ${what}`, async () => {
    const cgroup = tree.group('stop');
    await gone(script, { cgroup });
    assert.equal(cgroup.populated(), false);
    cgroup.remove();
  });
}

for (const [what, script] of Object.entries({ ...HARD, ...HIDDEN })) {
  test(`Child.stop() in a session of its own leaves nothing of a tree that is ${what}`, async () => {
    await gone(script, { detached: true });
  });
}

test('Child.stop() sends TERM to the child first, and waits for it within the grace', async () => {
  const child = await start(`trap 'echo bye > ${directory}/bye; exit 4' TERM; ${READY}; sleep 60 & wait`, { detached: true });
  assert.deepEqual(await child.stop(5_000), { code: 4, signal: null });
  assert.equal(readFileSync(`${directory}/bye`, 'utf8'), 'bye\n');
  assert.deepEqual(marked(), []);
});

test('Child.stop() kills when the grace is over, and at once when it is 0', async () => {
  for (const grace of [30, 0]) {
    const child = await start(`trap '' TERM; ${READY}; while :; do sleep 1; done`, { detached: true });
    assert.deepEqual(await child.stop(grace), { code: null, signal: 'SIGKILL' });
  }
});

test('Child.stop() twice, and at the same time, is once', async () => {
  const child = await start(`${READY}; exec sleep 60`);
  const first = child.stop(1_000);
  assert.equal(child.stop(0), first);
  assert.deepEqual(await first, { code: null, signal: 'SIGTERM' });
  assert.equal(child.stop(0), first);
});

test('Child.stop() lets a stopped child end by itself', async () => {
  const child = await start(`trap 'exit 4' TERM; ${READY}; kill -STOP $$; while :; do sleep 0.01; done`);
  while (readProcess(child.pid)?.state !== 'T') await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await child.stop(5_000), { code: 4, signal: null });
});

test('Child.stop() after the child ended by itself still ends what it left behind', async () => {
  const cgroup = tree.group('left');
  for (const more of [{ detached: true }, { cgroup }]) {
    const child = await start(`sleep 60 3>&- & ${READY}; exit 6`, more);
    assert.deepEqual(await child.exited, { code: 6, signal: null });
    // In the middle of its exec a process has no environment.
    let left = marked();
    for (; left.length === 0; left = marked()) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(left.length, 1);
    assert.deepEqual(await child.stop(1_000), { code: 6, signal: null });
    assert.deepEqual(marked(), []);
  }
  cgroup.remove();
});

test('Child.stop() leaves other children and this process alone', async () => {
  const other = await start(`${READY}; exec sleep 60`, { detached: true });
  const child = await start(`${READY}; exec sleep 60`, { detached: true });
  await child.stop(0);
  assert.equal(readProcess(other.pid)?.zombie, false);
  await other.stop(0);
});

test('a child that enters a control group is in it before its first instruction', async () => {
  const cgroup = tree.group('first');
  const child = await start(`grep -q '^0::.*/first$' /proc/self/cgroup && ${READY}; exec sleep 60`, { cgroup });
  assert.deepEqual(cgroup.pids(), [child.pid]);
  await child.stop(0);
  cgroup.remove();
});
