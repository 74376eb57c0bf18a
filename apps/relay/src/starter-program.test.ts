// SPDX-License-Identifier: Apache-2.0
// What bureau-starter makes of a plan: the program and its surroundings, and what becomes of its end.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { eventually, limitsOf } from './testing/process-facts.ts';
import { BUILDS, GATE, planOf, STANDS, STARTER_UID, StarterPrograms } from './testing/starter-fixture.ts';

const programs = new StarterPrograms();
/** Who and where it is: a line each. */
const FACTS = [
  'echo $$ $PPID',
  '/usr/bin/id -u; /usr/bin/id -G',
  "for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; echo",
  'pwd',
  "/usr/bin/tr '\\0' ' ' </proc/$$/environ; echo end of environment",
  'read -r line </proc/$$/stat; echo "$line" | /usr/bin/cut -d " " -f 6',
  '/usr/bin/tr "\\0" "+" <&3; echo; /usr/bin/od -An -tx1 <&4',
].join('; ');

/** Signals 32 and 33: whoever uses its posix_spawn (Bazel's Java) starts everything with both ignored, and its sigaction refuses them. */
const OF_C_LIBRARY = 0x1_8000_0000n;

for (const build of BUILDS) {
  for (const [end, expected] of [
    ['exit 7', { code: 7, signal: null }],
    ['kill -TERM $$', { code: null, signal: 'SIGTERM' }],
    ['kill -SEGV $$', { code: null, signal: 'SIGSEGV' }],
  ] as const) {
    test(`${build}: the program has exactly its descriptors, no environment, a session of its own; its end is passed on: ${end}`, async () => {
      await using starter = programs.born(build);
      const pid = await starter.child();
      const script = `${STANDS}; ${GATE}; ${FACTS}; ${end}`;
      await starter.runs(planOf(script, { options: ['--ro-bind', '/usr'], seccomp: Buffer.from([1, 2, 3, 255]) }));
      const taken = starter.takeOver()!;
      assert.deepEqual([taken.failure, taken.init, taken.gate], ['', pid, undefined]);
      const said = Buffer.concat(taken.early.map(({ data }) => data)).toString();
      const uid = String(STARTER_UID);
      assert.deepEqual(said.split('\n'), [
        ...[`${pid} ${starter.pid}`, uid, uid, '0 1 2 3 4 5 6 ', '/', 'end of environment', String(pid)],
        ...['--ro-bind+/usr+', ' 01 02 03 ff', ''],
      ]);
      assert.deepEqual(await starter.ended, expected);
    });
  }

  test(`${build}: the program has the signals as they are by default, and its limits before it stands`, async () => {
    await using starter = programs.born(build);
    const limits = { openFiles: 300, fileSize: 1_000_000, processes: 4_000 };
    starter.plan(planOf(`${STANDS}; sleep 1000 & wait`, { limits }));
    const pid = await starter.stands();
    const [blocked, ignored] = signalMasks(readFileSync(`/proc/${pid}/status`, 'utf8'));
    assert.deepEqual([blocked, ignored & ~OF_C_LIBRARY], [0n, 0n]);
    const held = limitsOf(pid);
    assert.deepEqual(
      ['Max core file size', 'Max open files', 'Max file size', 'Max processes'].map((name) => held[name]),
      ['0 0', '300 300', '1000000 1000000', '4000 4000'],
    );
  });

  test(`${build}: a program that cannot be run says so where the payload would, and its relay hears of its end`, async () => {
    await using starter = programs.born(build);
    starter.plan(planOf('', { line: ['/nonexistent'] }));
    const taken = starter.takeOver()!;
    assert.deepEqual([taken.failure, taken.init, taken.said], ['', undefined, '']);
    assert.ok(taken.gate !== undefined, 'it was not let run');
    const early = Buffer.concat(taken.early.map(({ data }) => data));
    const rest = 'error' in taken.stdio ? await starter.rest(taken.stdio.error) : Buffer.alloc(0);
    assert.equal(Buffer.concat([early, rest]).toString(), 'bwrap: cannot run /nonexistent: No such file or directory\n');
    assert.deepEqual(await starter.ended, { code: 127, signal: null });
  });

  test(`${build}: of a terminal 0, 1 and 2 are one, with a size; of pipes they are three`, async () => {
    for (const terminal of [true, false]) {
      await using starter = programs.born(build);
      const facts = `/bin/readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2; [ -t 0 ] && /bin/stty size`;
      await starter.runs(planOf(`${STANDS}; ${GATE}; ${facts}; exit 0`, { terminal }));
      const { stdio, early } = starter.takeOver()!;
      const lines = Buffer.concat(early.map(({ data }) => data))
        .toString()
        .split(/\r?\n/);
      assert.equal(new Set(lines.slice(0, 3)).size, terminal ? 1 : 3, String(lines));
      assert.match(lines[0]!, terminal ? /^\/dev\/pts\/[0-9]+$/ : /^pipe:\[[0-9]+\]$/);
      assert.deepEqual(lines.slice(3), terminal ? ['24 80', ''] : ['']);
      assert.deepEqual(Object.keys(stdio), terminal ? ['terminal'] : ['input', 'output', 'error']);
      assert.equal((await starter.ended).code, 0);
    }
  });

  test(`${build}: what it made holds no end of the launcher's or the relay's, and it itself nothing of the sandbox's after it has given all`, async () => {
    await using starter = programs.born(build);
    const pid = await starter.runs(planOf(`${STANDS}; ${GATE}; exec sleep 1000`));
    starter.leave('launcher');
    assert.notEqual(starter.takeOver(), null);
    await eventually('it holds descriptors', () => (openOf(starter.pid).join() === '0,1,2' ? true : undefined));
    // Its shell keeps some of its own for a moment.
    await eventually('it holds others', () => (openOf(pid).join() === '0,1,2,3,4,5,6' ? true : undefined));
    // Nobody else holds its ends: they are at their end for whoever reads.
    await assert.rejects(starter.report(), { code: 'peer_gone' });
    assert.equal(starter.takeOver(), null);
  });
}

/** Which signals are blocked, and which are ignored. */
function signalMasks(status: string): readonly [blocked: bigint, ignored: bigint] {
  const masks = /^SigBlk:\s+(\w+)\nSigIgn:\s+(\w+)$/m.exec(status);
  assert.ok(masks !== null, status);
  return [BigInt(`0x${masks[1]}`), BigInt(`0x${masks[2]}`)];
}

function openOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`);
}
