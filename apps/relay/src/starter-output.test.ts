// SPDX-License-Identifier: Apache-2.0
// What a payload puts out before its relay is awake: kept, in order, and in the output log.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { TakeOver } from '@bureau/observe/testing';
import { eventually } from './testing/process-facts.ts';
import { BUILDS, GATE, planOf, STANDS, StarterPrograms } from './testing/starter-fixture.ts';

const programs = new StarterPrograms();
const MEBIBYTE = 1024 * 1024;

function early(taken: TakeOver, from?: 'output' | 'error'): string {
  return Buffer.concat(taken.early.filter((each) => from === undefined || each.from === from).map(({ data }) => data)).toString();
}

/** Words of a shell that waits each time until `goOn` is called. */
function makePause(context: TestContext): { readonly pause: string; readonly goOn: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-pause-'));
  context.after(() => rmSync(directory, { recursive: true }));
  chmodSync(directory, 0o755);
  const pipe = join(directory, 'pipe');
  assert.equal(spawnSync('/usr/bin/mkfifo', ['-m', '644', pipe]).status, 0);
  const end = openSync(pipe, 'r+');
  context.after(() => closeSync(end));
  return { pause: `read -r line <${pipe}`, goOn: () => void writeSync(end, '\n') };
}

for (const build of BUILDS) {
  test(`${build}: both streams are kept in order and apart, and are in the output log`, async (context) => {
    const { pause, goOn } = makePause(context);
    await using starter = programs.born(build);
    // Two pipes have no order among themselves: the payload goes on when what it put out before was read.
    await starter.runs(planOf(`${STANDS}; ${GATE}; echo out 1; echo out 2; ${pause}; echo error 1 >&2; ${pause}; echo out 3; exit 3`));
    for (const logged of ['out 1\nout 2\n', 'out 1\nout 2\nerror 1\n']) {
      await eventually('it is not logged', () => (starter.outputLog.toString() === logged ? true : undefined));
      goOn();
    }
    const taken = starter.takeOver()!;
    assert.deepEqual([early(taken, 'output'), early(taken, 'error')], ['out 1\nout 2\nout 3\n', 'error 1\n']);
    assert.deepEqual(
      taken.early.map(({ from }) => from).filter((from, at, all) => from !== all[at - 1]),
      ['output', 'error', 'output'],
    );
    assert.ok(taken.early.every(({ logged }) => logged));
    assert.equal(starter.outputLog.toString(), early(taken));
    assert.equal((await starter.ended).code, 3);
  });

  test(`${build}: of a terminal all is one stream`, async () => {
    await using starter = programs.born(build);
    await starter.runs(planOf(`${STANDS}; ${GATE}; echo out; echo error >&2; exit 0`, { terminal: true }));
    const taken = starter.takeOver()!;
    assert.deepEqual([early(taken, 'output'), early(taken, 'error')], ['out\r\nerror\r\n', '']);
    assert.equal(starter.outputLog.toString(), 'out\r\nerror\r\n');
  });

  test(`${build}: a MiB of output before the relay is awake loses nothing, and wakes it`, async () => {
    await using starter = programs.born(build);
    const since = performance.now();
    await starter.runs(planOf(`${STANDS}; ${GATE}; /usr/bin/seq -f %015.0f 1 ${MEBIBYTE / 16}; exit 0`));
    const taken = starter.takeOver()!;
    assert.ok(performance.now() - since < 3_000, 'not by its patience of 5 s');
    const first = early(taken);
    assert.ok(first.length >= 64 * 1024 && first.length < 128 * 1024, `${first.length} bytes are kept`);
    assert.ok('output' in taken.stdio);
    const rest = (await starter.rest(taken.stdio.output)).toString();
    const lines = Array.from({ length: MEBIBYTE / 16 }, (_, at) => `${String(at + 1).padStart(15, '0')}\n`);
    assert.ok(first + rest === lines.join(''), 'all of it, in order');
    assert.equal(starter.outputLog.toString(), first);
  });

  test(`${build}: what a full output log did not take is told, and wakes the relay once the command runs`, async () => {
    await using starter = programs.born(build, { outputLog: '/dev/full' });
    await starter.runs(planOf(`${STANDS}; ${GATE}; echo out; read -r line; exit 0`));
    const taken = starter.takeOver()!;
    assert.deepEqual(
      taken.early.map(({ from, data, logged }) => [from, data.toString(), logged]),
      [['output', 'out\n', false]],
    );
    assert.deepEqual([taken.failure, taken.gate], ['', undefined]);
  });

  test(`${build}: words of bubblewrap's that the output log does not take keep no command from running`, async () => {
    await using starter = programs.born(build, { outputLog: '/dev/full' });
    await starter.runs(planOf(`echo a warning >&2; ${STANDS}; ${GATE}; echo out; read -r line; exit 0`));
    const taken = starter.takeOver()!;
    assert.deepEqual([taken.failure, taken.gate], ['', undefined]);
    assert.deepEqual(taken.early[0], { from: 'error', data: Buffer.from('a warning\n'), logged: false });
  });

  test(`${build}: more output before "go" than is kept is a failure with that reason`, async () => {
    await using starter = programs.born(build);
    starter.plan(planOf(`${STANDS}; /usr/bin/yes; exit 0`));
    await starter.stands();
    const taken = starter.takeOver()!;
    assert.match(taken.failure, /^bwrap put out more than 65536 bytes before its command ran$/);
    assert.ok(taken.gate !== undefined);
    assert.equal(early(taken).slice(0, 4), 'y\ny\n');
  });

  test(`${build}: more words about a sandbox than bubblewrap has are a failure with that reason`, async () => {
    for (const script of [`/usr/bin/yes >&5`, `${STANDS}; /usr/bin/yes >&5`]) {
      await using starter = programs.born(build);
      starter.plan(planOf(script));
      const taken = starter.takeOver()!;
      assert.equal(taken.failure, 'bwrap said more than 4096 bytes about its sandbox before its command ran');
      assert.equal(taken.said.length, 4_096);
    }
  });

  test(`${build}: what ends before "go", and what ends after it, is handed over with what it said`, async () => {
    for (const [script, said] of [
      ['echo bwrap: no >&2; exit 1', /^$/],
      [`${STANDS}; echo bwrap: no >&2; exit 1`, /^\{ "child-pid": [0-9]+ \}\n$/],
    ] as const) {
      await using starter = programs.born(build);
      starter.plan(planOf(script));
      const taken = starter.takeOver()!;
      assert.match(taken.said, said);
      assert.equal(taken.failure, '', 'bubblewrap says why');
      assert.ok(taken.gate !== undefined);
      assert.ok('error' in taken.stdio);
      assert.equal(early(taken) + (await starter.rest(taken.stdio.error)).toString(), 'bwrap: no\n');
      assert.equal((await starter.ended).code, 1);
    }
    await using starter = programs.born(build);
    await starter.runs(planOf(`${STANDS}; ${GATE}; echo out; printf '{ "exit-code": 4 }\\n' >&5; exit 4`));
    const taken = starter.takeOver()!;
    assert.match(taken.said, /^\{ "child-pid": [0-9]+ \}\n\{ "exit-code": 4 \}\n$/);
    assert.deepEqual([taken.failure, taken.gate], ['', undefined]);
    assert.equal((await starter.ended).code, 4);
  });

  test(`${build}: a stream that the payload closes is at its end for the relay too; the other goes on`, async () => {
    await using starter = programs.born(build);
    await starter.runs(planOf(`${STANDS}; ${GATE}; echo out; exec >&-; read -r line; echo error >&2; exit 0`));
    await eventually('nothing is logged', () => (starter.outputLog.length > 0 ? true : undefined));
    starter.leave('launcher');
    const taken = starter.takeOver()!;
    assert.equal(early(taken), 'out\n');
    assert.ok('input' in taken.stdio);
    assert.equal((await starter.rest(taken.stdio.output)).length, 0);
    starter.close(taken.stdio.input);
    assert.equal((await starter.rest(taken.stdio.error)).toString(), 'error\n');
    assert.equal((await starter.ended).code, 0);
  });
}
