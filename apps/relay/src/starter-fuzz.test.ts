// SPDX-License-Identifier: Apache-2.0
// Whatever bytes a plan is made of, and whatever bubblewrap says about itself: bureau-starter comes to an end of its own and touches no memory that is not
// its own. In the build with the sanitizers, which say so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeStartPlan } from '@bureau/protocol';
import fc from 'fast-check';
import { planOf, StarterPrograms } from './testing/starter-fixture.ts';

const programs = new StarterPrograms();
const RUNS = 150;
const NUMBERS = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff, 4 * 1024 * 1024),
);
const TEXTS = fc.array(fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom('', '/', '/tmp', '/dev/null', '1:2', '%n%s')), {
  maxLength: 8,
});
/** Harmless whatever becomes of its words: what is run has an absolute path of its own. */
const LINE = fc.tuple(fc.constantFrom('/bin/true', '/bin/echo', '/nonexistent'), TEXTS).map(([program, words]) => [program, ...words]);

const honest = fc
  .record({
    line: LINE,
    options: TEXTS,
    seccomp: fc.uint8Array({ maxLength: 40 }),
    devices: TEXTS,
    terminal: fc.boolean(),
    relay: fc.uint8Array(),
  })
  .chain((plan) =>
    fc
      .array(fc.record({ path: fc.constantFrom('/tmp', '/', '/nothing', ''), identity: fc.constantFrom('1:2', '', 'x') }), { maxLength: 5 })
      .map((mountSources) => Buffer.from(encodeStartPlan(planOf('', { ...plan, mountSources })))),
  );
/** The same with a number of it, or a piece, changed, left out or put in; never within the program's own name, which ends before byte 48. */
const broken = fc
  .tuple(honest, fc.array(fc.tuple(fc.nat(), NUMBERS, fc.constantFrom('number', 'cut', 'byte', 'more')), { minLength: 1, maxLength: 3 }))
  .map(([plan, changes]) => changes.reduce<Buffer>((bytes, [at, number, how]) => changed(bytes, at, number, how), plan));

function changed(plan: Buffer, at: number, number: number, how: 'number' | 'cut' | 'byte' | 'more'): Buffer {
  const place = at % (plan.length + 1);
  const behindName = Math.max(place, 48);
  const bytes = Buffer.from(plan);
  if (how === 'cut') return bytes.subarray(0, place);
  if (how === 'more') return Buffer.concat([bytes.subarray(0, behindName), Buffer.alloc(number % 41, number), bytes.subarray(behindName)]);
  if (how === 'byte' && behindName < bytes.length) bytes[behindName] = number & 0xff;
  // The flags, a limit or the length of the line too.
  const start = place < 32 ? place - (place % 4) : behindName;
  if (how === 'number' && start + 4 <= bytes.length) bytes.writeUInt32BE(number, start);
  return bytes;
}

/** Gives a plan and goes away; asserts what holds of every plan. */
async function assertEnds(plan: Buffer, size = plan.length): Promise<void> {
  await using starter = programs.start('sanitized', { rehearsal: true });
  starter.plan(plan, size);
  starter.leave('launcher');
  const taken = starter.takeOver();
  const { code, signal } = await starter.ended;
  assert.equal(signal, null);
  if (taken === null) assert.ok(code === 125 || (code === 0 && starter.log === ''), `${code}: ${starter.log}`);
  if (taken === null && code === 125) assert.match(starter.log, /^bureau-starter: [^]+\n$/);
  if (taken !== null) {
    assert.match(starter.log, /^$/);
    assert.ok(taken.gate !== undefined, 'nobody said go');
    assert.ok(taken.failure !== '' || code === 0 || code === 127, `${code}`);
  }
  assert.equal(await starter.said, '');
}

test('every plan, honest or broken, comes to an end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(honest, broken, broken), (plan) => assertEnds(plan)),
    { numRuns: RUNS },
  );
});

test('every bytes as a plan, of a size that is said to be another, come to an end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), fc.option(NUMBERS, { nil: undefined }), (bytes, size) =>
      assertEnds(Buffer.from(bytes), size),
    ),
    {
      numRuns: RUNS,
    },
  );
});

/** No number that could be somebody's: what is named as the sandbox is held to its limits. */
const PIDS = fc.constantFrom('', '0', '1', '-7', '2147483647', '99999999999999999999', '0x10', 'x', '"12"', ' ', '\0', '{}');
const SAID = fc.array(
  fc.oneof(
    PIDS,
    fc.constantFrom('\n', '{ ', ' }\n', '"child-pid":', '"child-pid": ', '"exit-code": 3'),
    fc.string({ maxLength: 9 }).filter((text) => !/[0-9]/.test(text)),
  ),
  {
    maxLength: 20,
  },
);

test('whatever bubblewrap says about itself, it is given to the relay as it is', async () => {
  await fc.assert(
    fc.asyncProperty(SAID, async (pieces) => {
      await using starter = programs.start('sanitized', { rehearsal: true });
      const said = Buffer.from(pieces.join(' '));
      starter.plan(planOf('/bin/cat <&4 >&5; exit 0', { seccomp: said.length === 0 ? Buffer.from('\n') : said }));
      const taken = starter.takeOver()!;
      assert.equal(taken.init, undefined);
      assert.equal(taken.said, said.length === 0 ? '\n' : said.toString());
      assert.deepEqual(await starter.ended, { code: 0, signal: null });
      assert.equal(starter.log, '');
    }),
    { numRuns: RUNS },
  );
});
