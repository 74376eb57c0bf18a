// SPDX-License-Identifier: Apache-2.0
// A plan that is none starts nothing. What was made before it was heard goes with it.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeOrder } from '@bureau/process';
import { encodeStartPlan } from '@bureau/protocol';
import { gone } from './testing/process-facts.ts';
import { BUILDS, planOf, StarterPrograms, type StarterFixture } from './testing/starter-fixture.ts';

const programs = new StarterPrograms();
const GOOD = Buffer.from(encodeStartPlan(planOf('echo ran; exit 0')));
/** Flags and three limits; then the length of the first part, the line. */
const LINE_AT = 4 + 3 * 8;

/** A good plan with the number at `at` in place of its own. */
function withNumber(at: number, number: number): Buffer {
  const bytes = Buffer.from(GOOD);
  bytes.writeUInt32BE(number, at);
  return bytes;
}

function withLine(line: string): Buffer {
  const rest = GOOD.subarray(LINE_AT + 4 + GOOD.readUInt32BE(LINE_AT));
  const size = Buffer.alloc(4);
  size.writeUInt32BE(Buffer.byteLength(line));
  return Buffer.concat([GOOD.subarray(0, LINE_AT), size, Buffer.from(line), rest]);
}

/** A plan of no words with these texts, as they are, for its mount sources. */
function withSources(sources: string): Buffer {
  const parts = ['/bin/true\0', '', 'filter', sources, '', 'config'].flatMap((part) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(Buffer.byteLength(part));
    return [size, Buffer.from(part)];
  });
  return Buffer.concat([GOOD.subarray(0, LINE_AT), ...parts]);
}

/** Gives a plan, and what of it was taken for what. The reason is in the log: its relay is not awake. */
const PLANS: Readonly<Record<string, readonly [(starter: StarterFixture) => void, RegExp]>> = {
  'of no bytes': [(starter) => starter.plan(Buffer.alloc(0)), /a plan of 1 to 4194304 bytes, found 0/],
  'of one byte more than may be': [(starter) => starter.plan(Buffer.alloc(0), 4 * 1024 * 1024 + 1), /1 to 4194304 bytes, found 4194305/],
  'of 4 GiB': [(starter) => starter.plan(Buffer.alloc(0), 0xffff_ffff), /1 to 4194304 bytes, found 4294967295/],
  'that ends in its numbers': [(starter) => starter.plan(GOOD.subarray(0, 9)), /8 bytes more of a plan, found 5/],
  'that ends before its last part': [(starter) => starter.plan(GOOD.subarray(0, -10)), /bytes more of a plan, found 0/],
  'with a part longer than itself': [(starter) => starter.plan(withNumber(LINE_AT, GOOD.length)), /bytes more of a plan, found/],
  'with a part of 4 GiB': [(starter) => starter.plan(withNumber(LINE_AT, 0xffff_ffff)), /expected 4294967295 bytes more of a plan/],
  'with bytes behind its end': [
    (starter) => starter.plan(Buffer.concat([GOOD, Buffer.from('x')])),
    /the end of a plan, found 1 bytes more/,
  ],
  'without a NUL behind its words': [(starter) => starter.plan(withLine('/bin/true')), /a NUL behind the last of a plan's words/],
  'without a NUL behind its sources': [
    (starter) => starter.plan(withSources('/tmp\x001:2')),
    /a NUL behind the last of a plan's mount sources/,
  ],
  'of no words': [(starter) => starter.plan(withLine('')), /a command line in a plan, found none/],
  'with an odd number of source texts': [(starter) => starter.plan(withSources('/tmp\0')), /the identity of the mount source \/tmp/],
};

for (const build of BUILDS) {
  for (const [name, [give, said]] of Object.entries(PLANS)) {
    test(`${build}: a plan ${name} starts nothing`, async () => {
      await using starter = programs.born(build);
      const pid = await starter.child();
      give(starter);
      assert.equal(starter.takeOver(), null);
      assert.equal((await starter.ended).code, 125);
      assert.match(starter.log, said);
      assert.equal(starter.log.split('\n').length, 2, 'one line');
      await gone(pid);
      assert.equal(starter.outputLog.length, 0);
    });
  }

  test(`${build}: an order for a plan without its three descriptors, with more, or of another build starts nothing`, async () => {
    for (const [give, said] of [
      [(starter: StarterFixture) => starter.say(encodeOrder([100])), /a socket and an output log, found 0/],
      [(starter: StarterFixture) => starter.say('BRO2some'), /must be of one build/],
    ] as const) {
      await using starter = programs.born(build);
      give(starter);
      assert.equal((await starter.ended).code, 125);
      assert.match(await starter.said, said);
      assert.equal(starter.takeOver(), null);
    }
  });

  test(`${build}: a launcher that goes away within a plan leaves nothing and says nothing`, async () => {
    for (const part of [GOOD.subarray(0, 1), GOOD.subarray(0, -1)]) {
      await using starter = programs.born(build);
      const pid = await starter.child();
      starter.plan(part, GOOD.length);
      starter.leave('launcher');
      assert.equal(starter.takeOver(), null);
      assert.deepEqual(await starter.ended, { code: 0, signal: null });
      assert.equal(starter.log, '');
      await gone(pid);
    }
  });

  test(`${build}: the longest plan that there can be is taken whole`, async () => {
    await using starter = programs.born(build);
    const fixed = encodeStartPlan(planOf('', { line: ['/bin/true'], relay: Buffer.alloc(0) })).length;
    const relay = Buffer.alloc(4 * 1024 * 1024 - fixed, 'c');
    // More than a socket holds: the starter reads while this is written.
    starter.plan(planOf('', { line: ['/bin/true'], relay }));
    await assert.rejects(starter.takeOver()!.config, /Expected|frame|large|long/i);
    assert.equal((await starter.ended).code, 0);
  });

  test(`${build}: what may not be is told to the relay as the reason, and the program is never run`, async (context) => {
    const file = join(tmpdir(), `bureau-starter-device-${process.pid}`);
    writeFileSync(file, '', { mode: 0o600 });
    context.after(() => rmSync(file));
    for (const [more, reason] of [
      [{ seccomp: Buffer.alloc(0) }, /^Expected a seccomp program, found none/],
      [{ devices: ['/dev/null', '/dev/nothing-of-the-kind'] }, /^Cannot give \/dev\/nothing-of-the-kind to the payload: it is not there/],
      [{ devices: [file] }, /has mode 600, owner 0:0, and the payload's user is in no group/],
      [{ mountSources: [{ path: '/nothing', identity: '1:2' }] }, /^Cannot mount "\/nothing", which the launcher admitted: ENOENT$/],
      [{ mountSources: [{ path: '/root/x', identity: '1:2' }] }, /ENOENT|may not pass through a directory above it/],
      [{ mountSources: [{ path: '/tmp', identity: '1:2' }] }, /^Cannot mount "\/tmp": it is not what the launcher admitted a moment ago$/],
      [{ mountSources: [{ path: '/proc/self/root', identity: '1:2' }] }, /ELOOP$/],
      [{ devices: [`/${'x'.repeat(5_000)}`] }, /^Cannot give \/x{300,}$/],
    ] as const) {
      await using starter = programs.born(build);
      starter.plan(planOf('echo ran >&5', more));
      const taken = starter.takeOver()!;
      assert.match(taken.failure, reason);
      assert.deepEqual([taken.init, taken.said, taken.early], [undefined, '', []]);
      assert.ok(taken.gate !== undefined);
      assert.deepEqual(await starter.ended, { code: 0, signal: null });
    }
  });
}
