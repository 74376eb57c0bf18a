// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { startStand, until, type Footprint, type InstanceProcess, type Stand } from '@bureau/testkit';

const START_MILLISECONDS = 30_000;
/** What the issue asks for while a payload takes all it can. */
const ANSWER_MILLISECONDS = 1_000;
/** On a machine where the slowest answer takes more than a third of that already: so many times that answer. */
const BUSY_FACTOR = 3;
const KILL_MILLISECONDS = 5_000;
/** What the daemon gives a payload after TERM. */
const GRACE_MILLISECONDS = 5_000;
const MIB = 2 ** 20;
/** Less than the payloads below want, more than a shell needs. */
const SMALL = { memory: 128 * MIB, pids: 40, fileSize: 512 * MIB, openFiles: 64 };

let stand: Stand;
before(async () => {
  stand = await startStand({ demo: false });
  const content = JSON.stringify({ v: 1, description: 'little of everything', resources: SMALL });
  const set = await stand.bureau(['matrix', 'state', 'set', '#bureau/template', 'm.bureau.template', content, '--key', 'small']);
  assert.equal(set.code, 0, set.stderr);
});
after(async () => await stand.end());

function livePayloads(): InstanceProcess[] {
  return stand.processes().filter(({ role, zombie, program }) => role.startsWith('payload:') && !zombie && program !== 'bwrap');
}

interface Result {
  readonly code: number | null;
  readonly exit: { code: number | null; signal: string | null; limits?: string[] };
  readonly said: string;
}

async function run(template: 'small' | 'default', script: string): Promise<Result> {
  const args = ['run', '--json', `hostile/limits-${template}`, '--template', template, '--', 'bash', '-c', script];
  const { code, stdout, stderr } = await stand.bureau(args);
  assert.notEqual(stdout, '', stderr);
  return { code, exit: (JSON.parse(stdout) as { exit: Result['exit'] }).exit, said: stderr };
}

/** Each attack ends in its limit with the small template, and goes through with the default one: it is the limit that stops it. */
const ATTACKS: readonly { what: string; script: string; limits: string[]; says: RegExp; succeeds: RegExp }[] = [
  {
    what: 'memory',
    script: `/usr/bin/python3 -c 'b = bytearray(${256 * MIB}); b[::4096] = b[::4096]; print("taken")'`,
    limits: ['memory'],
    says: /out of memory/,
    succeeds: /^taken$/m,
  },
  {
    what: 'memory through /dev/shm',
    script: `head -c ${256 * MIB} /dev/zero > /dev/shm/x && echo taken`,
    limits: ['memory'],
    says: /out of memory/,
    succeeds: /^taken$/m,
  },
  {
    what: 'processes',
    script: `/usr/bin/python3 -c '
import os, time
for _ in range(100):
    if os.fork() == 0: time.sleep(1000)
print("taken")'`,
    limits: ['pids'],
    says: /refused another process/,
    succeeds: /^taken$/m,
  },
  {
    what: 'threads',
    script: `/usr/bin/python3 -c '
import threading, time
for _ in range(100): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
print("taken")'`,
    limits: ['pids'],
    says: /refused another process/,
    succeeds: /^taken$/m,
  },
  {
    what: 'open files',
    script: `/usr/bin/python3 -c '
import os
for _ in range(200): os.dup(0)
print("taken")'`,
    limits: [],
    says: /Too many open files/,
    succeeds: /^taken$/m,
  },
  {
    what: 'one large file',
    script: `truncate -s 1G /workspace/x && echo taken; rm -f /workspace/x`,
    limits: [],
    says: /File (size limit exceeded|too large)/,
    succeeds: /^taken$/m,
  },
];

describe('a limit of the spec', () => {
  for (const { what, script, limits, says, succeeds } of ATTACKS) {
    test(`stops a payload that takes too much: ${what}`, async () => {
      const held = await run('small', `${script}\nexit 9`);
      assert.deepEqual(held.exit.limits ?? [], limits, held.said);
      assert.match(held.said, says);
      assert.doesNotMatch(held.said, succeeds);
      const free = await run('default', `${script}\nexit 9`);
      assert.equal(free.exit.limits, undefined);
      assert.match(free.said, succeeds);
    });
  }

  test('of scratch space is told apart: the disk was full, and only while it is', async () => {
    const full = await run('default', 'head -c 600M /dev/zero > /tmp/x; exit 9');
    assert.deepEqual(full.exit, { code: 9, signal: null, limits: ['scratch'] });
    assert.match(full.said, /\/tmp, \/dev\/shm or home was full/);
    const mended = await run('default', 'head -c 600M /dev/zero > /tmp/x; rm /tmp/x; sleep 0.1; exit 9');
    assert.deepEqual(mended.exit, { code: 9, signal: null });
  });

  test('holds for agents too, and stands in their list', async () => {
    const script = `/usr/bin/python3 -c 'b = bytearray(${256 * MIB}); b[::4096] = b[::4096]'; sleep 0.1; exit 9`;
    const args = ['agent', 'deploy', 'hostile/agent', '--template', 'small', '--restart', 'never', '--', 'sh', '-c', script];
    const deployed = await stand.bureau(args);
    assert.equal(deployed.code, 0, deployed.stderr);
    await until('its end', START_MILLISECONDS, async () => /exited/.test((await stand.bureau(['agent', 'list'])).stdout));
    assert.match((await stand.bureau(['agent', 'list'])).stdout, /hostile\/agent +exited.*exit code 9, out of memory/);
    assert.equal((await stand.bureau(['agent', 'remove', 'hostile/agent'])).code, 0);
  });
});

/** Answers of the daemon; the slowest of these, in milliseconds. */
async function slowestAnswer(context: TestContext, when: string): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const began = performance.now();
    const { code, stderr } = await stand.bureau(['machine', 'status']);
    times.push(performance.now() - began);
    assert.equal(code, 0, stderr);
  }
  context.diagnostic(`machine status ${when}: ${times.map((time) => Math.round(time)).join(' ')} ms`);
  return Math.max(...times);
}

describe('machine status answers within 1 s, and a kill is done within 5 s, while a payload', () => {
  const greedy: readonly [string, string, string][] = [
    ['forks without end', 'default', 'bomb() { bomb | bomb & }; trap "" TERM INT; echo up; while :; do bomb 2>/dev/null; done'],
    [
      'eats memory and starts again',
      'small',
      `trap "" TERM INT; echo up; while :; do /usr/bin/python3 -c 'b = bytearray(${256 * MIB}); b[::4096] = b[::4096]'; done`,
    ],
    ['fills its disk', 'default', 'trap "" TERM INT; echo up; while :; do head -c 600M /dev/zero > /tmp/x 2>/dev/null; rm /tmp/x; done'],
    [
      'spins on eight threads',
      'default',
      'trap "" TERM INT; echo up; for i in 1 2 3 4 5 6 7; do while :; do :; done & done; while :; do :; done',
    ],
    [
      'stops its whole tree',
      'default',
      'trap "" TERM INT; (setsid sh -c "kill -STOP \\$\\$" &); sleep 1000 & kill -STOP $!; echo up; kill -STOP $$',
    ],
  ];
  let rest: Footprint;
  before(async () => void (rest = await stand.leaks.atRest()));
  for (const [what, template, script] of greedy) {
    test(what, async (context) => {
      await using running = stand.spawnBureau(['run', 'hostile/greedy', '--template', template, '--', 'bash', '-c', script]);
      await running.stdout.waitFor('up', START_MILLISECONDS).catch((cause: unknown) => {
        throw new Error(`It did not come up: ${running.stderr.quoted}`, { cause });
      });
      const slowest = await slowestAnswer(context, 'meanwhile');
      const began = performance.now();
      running.signal('SIGKILL');
      await until('nothing of it', GRACE_MILLISECONDS + 2 * KILL_MILLISECONDS, () => livePayloads().length === 0);
      const took = performance.now() - began;
      context.diagnostic(`gone ${Math.round(took)} ms after the command line was killed`);
      // The payload ignores TERM, so its grace of 5 s passes first; what counts is the kill after it.
      assert.ok(took < GRACE_MILLISECONDS + KILL_MILLISECONDS, `killed in ${took} ms`);
      // Its proxy and its directory go after it; until then the next run of this name is told that it is busy.
      await stand.leaks.assertUnchanged(rest);
      if (slowest < ANSWER_MILLISECONDS) return;
      // A second is one of a machine that is at nothing else: what it is at without the attack counts as well.
      const calm = await slowestAnswer(context, 'afterwards');
      assert.ok(slowest < BUSY_FACTOR * calm, `answered in ${slowest} ms, and in ${calm} ms after it`);
    });
  }
});
