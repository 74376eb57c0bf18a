// SPDX-License-Identifier: Apache-2.0
// What bureau-starter for arm64 makes of plans, in rehearsals: those need no clone3, which the emulation lacks. Nor has it openat2, which opens
// mount sources.
import assert from 'node:assert/strict';
import { fstatSync, mkdtempSync, readFileSync, readSync, readdirSync, readlinkSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { encodeFrame } from '@bureau/ipc';
import { encodeStartPlan, type StartPlan } from '@bureau/protocol';
import { compileForBoth, type BothPrograms } from '../arm64.testing.ts';
import { Rehearsal, type Ended } from './rehearsal.testing.ts';

const directory = mkdtempSync(join(tmpdir(), 'bureau-plan-arm64-'));
let programs: BothPrograms;
before(() => void (programs = compileForBoth(directory, 'starter')));
after(() => rmSync(directory, { recursive: true }));

/** The same of the program of this machine and of the one for arm64. */
async function alike<Found>(find: (program: string) => Promise<Found>, what = ''): Promise<Found> {
  const here = await find(programs.here);
  assert.deepEqual(await find(programs.arm64), here, what);
  return here;
}

/** How a shell that stands in for bubblewrap begins: it names itself, with a gate that it is no writer of, so that it would not outwait everybody. */
const NAMES = `exec 7</proc/self/fd/6 6<&-; printf '{ "child-pid": %s }\\n' $$ >&5`;
/** What waits until the command may run, and ends after one byte. */
const WAITS = '/usr/bin/head -c 1 <&7 >/dev/null';
const NAMED = `${NAMES}; ${WAITS}`;

function planOf(script: string, more: Partial<StartPlan> = {}): StartPlan {
  const config = {
    v: 1,
    build: 'test',
    principal: 'test/arm64',
    holdForObserver: false,
    exitFile: '/dev/null/exit.json',
    allowedUids: [0],
  };
  return {
    line: ['/bin/sh', '-c', script, 'its name', 'last'],
    options: ['--an-option', ''],
    seccomp: Uint8Array.of(6, 0, 0, 0, 0, 0, 0xff, 0x7f),
    mountSources: [],
    devices: [],
    terminal: false,
    holdForObserver: false,
    relay: encodeFrame(config),
    ...more,
  };
}

/** What was left to read when the other end had gone; a terminal ends with EIO. */
function restOf(descriptor: number): string {
  const piece = Buffer.alloc(64 * 1024);
  for (let found = ''; ;) {
    try {
      const size = readSync(descriptor, piece);
      if (size === 0) return found;
      found += piece.toString('utf8', 0, size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EIO') return found;
      throw error;
    }
  }
}

/** All that there is to see of a rehearsal. */
interface Seen {
  readonly log: string;
  readonly reports: readonly unknown[];
  /** bubblewrap's words. */
  readonly said: string;
  readonly early: string;
  readonly earlyError: string;
  readonly later: string;
  readonly laterError: string;
  /** It was for the relay to let the command run. */
  readonly waits: boolean;
  readonly failure: string;
  readonly principal: string;
  readonly ended: Ended;
}

/**
 * One whole start: the launcher does `launch`, then the relay takes over, lets the command run if that waits, or ends it if it is not to run, and
 * gives it `input`.
 */
async function rehearse(program: string, plan: StartPlan, launch: (rehearsal: Rehearsal) => void, input = ''): Promise<Seen> {
  await using rehearsal = new Rehearsal(program, directory, encodeStartPlan(plan));
  launch(rehearsal);
  const taken = rehearsal.takeOver();
  assert.ok(taken, rehearsal.log);
  const { stdio, gate, early, init, failure } = taken;
  assert.equal('terminal' in stdio, plan.terminal);
  assert.ok(early.every(({ logged }) => logged));
  assert.deepEqual(taken.scratch, [], 'a shell has mounted nothing');
  const [inputs, outputs, errors] = 'terminal' in stdio ? [stdio.terminal, stdio.terminal] : [stdio.input, stdio.output, stdio.error];
  if (failure === '' && gate !== undefined && init !== undefined) writeSync(gate, 'g');
  if (failure !== '' && init !== undefined) process.kill(init, 'SIGKILL');
  if (input !== '') writeSync(inputs, input);
  const ended = await rehearsal.ended;
  const reports = (await rehearsal.reports()) as { readonly pid?: number }[];
  for (const { pid } of reports) assert.equal(pid ?? init, init);
  const earlyOf = (source: string): string => Buffer.concat(early.flatMap(({ from, data }) => (from === source ? [data] : []))).toString();
  return {
    log: rehearsal.log,
    // Another number each time.
    reports: reports.map((report) => (report.pid === undefined ? report : { ...report, pid: 'init' })),
    said: `${taken.said}${restOf(taken.status)}`.replaceAll(`"child-pid": ${init} `, '"child-pid": init '),
    early: earlyOf('output'),
    earlyError: earlyOf('error'),
    later: restOf(outputs),
    laterError: errors === undefined ? '' : restOf(errors),
    waits: gate !== undefined,
    failure,
    principal: (await taken.config).principal,
    ended,
  };
}

const STARTED = { type: 'started', pid: 'init' };
const RUNNING = { type: 'running' };

/** What the new process sees of itself before it is a sandbox. */
const FACTS = [
  `for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; pwd`,
  `/usr/bin/tr '\\0' ' ' </proc/$$/environ`,
  `read -r line </proc/$$/stat; [ "$(echo "$line" | /usr/bin/cut -d ' ' -f 6)" = $$ ] && echo its own session`,
  `echo "$0 $1"; /usr/bin/tr '\\0' ' ' <&3; /usr/bin/od -An -tx1 <&4`,
].join('; ');
const SEEN_FACTS = ['0 1 2 3 4 5 6 /', 'its own session', 'its name last', '--an-option   06 00 00 00 00 00 ff 7f'];

/** Runs, is taken over while it does, and reads what is typed then. */
const LIFE = [
  FACTS,
  NAMED,
  'echo $(for kind in S H; do for what in c n f p; do ulimit -$kind$what; done; done)',
  'echo trouble >&2; echo early; read -r line; echo "got $line"; echo late >&2',
  `printf '{ "exit-code": 7 }\\n' >&5; exit 7`,
].join('; ');
const LIMITS = { openFiles: 100, fileSize: 512 * 9_000, processes: 3_000 };
/** No core file, and files in blocks. */
const SEEN_LIMITS = '0 100 9000 3000 0 100 9000 3000';

/** The launcher of a sandbox that puts out these words before its relay is to be awake. */
function untilLogged(...words: readonly string[]): (rehearsal: Rehearsal) => void {
  return (rehearsal) => {
    rehearsal.awaitReport();
    rehearsal.say('g');
    rehearsal.awaitReport();
    rehearsal.logged(...words);
    rehearsal.leave();
  };
}

test('arm64: bureau-starter runs a plan with pipes, and its relay takes over', async () => {
  const plan = planOf(LIFE, { limits: LIMITS });
  assert.deepEqual(await alike((program) => rehearse(program, plan, untilLogged('early', 'trouble'), 'typed\n')), {
    log: '',
    reports: [STARTED, RUNNING],
    said: '{ "child-pid": init }\n{ "exit-code": 7 }\n',
    early: [...SEEN_FACTS, SEEN_LIMITS, 'early', ''].join('\n'),
    earlyError: 'trouble\n',
    later: 'got typed\n',
    laterError: 'late\n',
    waits: false,
    failure: '',
    principal: 'test/arm64',
    ended: { code: 7, signal: null },
  });
});

test('arm64: bureau-starter runs a plan with a terminal, and its relay takes over', async () => {
  const looks = '[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && /usr/bin/stty size';
  const plan = planOf(`${FACTS}; ${looks}; ${NAMED}; echo early; read -r line; echo "got $line" >&2; exit 7`, { terminal: true });
  assert.deepEqual(await alike((program) => rehearse(program, plan, untilLogged('early'), 'typed\n')), {
    log: '',
    reports: [STARTED, RUNNING],
    said: '{ "child-pid": init }\n',
    early: [...SEEN_FACTS, '24 80', 'early', ''].join('\r\n'),
    earlyError: '',
    later: 'typed\r\ngot typed\r\n',
    laterError: '',
    waits: false,
    failure: '',
    principal: 'test/arm64',
    ended: { code: 7, signal: null },
  });
});

/** The parts of what is seen that a short life differs in. */
function endOf({ reports, early, later, waits, failure, ended }: Seen): Partial<Seen> {
  return { reports, early, later, waits, failure, ended };
}

test('arm64: bureau-starter wakes the relay at the end of bubblewrap, or to let the command run; it ends as bubblewrap did', async () => {
  const released = (rehearsal: Rehearsal): void => {
    rehearsal.awaitReport();
    rehearsal.say('g');
  };
  const short = planOf(`${NAMED}; echo short; kill -TERM $$`);
  assert.deepEqual(endOf(await alike((program) => rehearse(program, short, released))), {
    ...{ reports: [STARTED, RUNNING], early: 'short\n', later: '', waits: false, failure: '' },
    ended: { code: null, signal: 'SIGTERM' },
  });
  const held = planOf(`${NAMED}; echo held`, { holdForObserver: true });
  assert.deepEqual(endOf(await alike((program) => rehearse(program, held, released))), {
    ...{ reports: [STARTED], early: '', later: 'held\n', waits: true, failure: '' },
    ended: { code: 0, signal: null },
  });
  const missing = await alike((program) => rehearse(program, planOf('', { line: ['/nowhere/bwrap'] }), () => undefined));
  assert.equal(missing.earlyError, 'bwrap: cannot run /nowhere/bwrap: No such file or directory\n');
  assert.deepEqual(endOf(missing), {
    ...{ reports: [], early: '', later: '', waits: true, failure: '' },
    ended: { code: 127, signal: null },
  });
});

test('arm64: bureau-starter hands over why a command will never run', async () => {
  const named = (then: (rehearsal: Rehearsal) => void) => (rehearsal: Rehearsal) => {
    rehearsal.awaitReport();
    then(rehearsal);
  };
  const nothing = (): void => undefined;
  const device =
    'Cannot give /dev/nowhere to the payload: it is not there, and the payload\'s user is in no group. Let uid 0 open it (a udev rule with MODE="0666", or setfacl)';
  const failures: readonly (readonly [more: Partial<StartPlan>, launch: (rehearsal: Rehearsal) => void, failure: string])[] = [
    [{ seccomp: new Uint8Array() }, nothing, 'Expected a seccomp program, found none; the sandbox would have no filter'],
    [{ devices: ['/dev/null', '/dev/nowhere'] }, nothing, device],
    [{}, named((rehearsal) => rehearsal.say('x')), 'Expected the launcher to say "go", found another word; the command was not run'],
    [{}, named((rehearsal) => rehearsal.leave()), 'The launcher went away before it said "go"; the command was not run'],
    [{}, named(({ starter }) => starter.process.kill('SIGTERM')), 'The sandbox was stopped before its command ran'],
  ];
  for (const [more, launch, failure] of failures) {
    const found = await alike((program) => rehearse(program, planOf(`${NAMES}; exec ${WAITS}`, more), launch), failure);
    const [reports, ended] = launch === nothing ? [[], { code: 0, signal: null }] : [[STARTED], { code: null, signal: 'SIGKILL' }];
    assert.deepEqual(endOf(found), { reports, early: '', later: '', waits: true, failure, ended });
  }
});

test('arm64: a plan with a mount source comes as far as openat2, and no further where that is emulated', async () => {
  const { dev, ino } = statSync('/usr', { bigint: true });
  const plan = planOf(`echo 7 is $(cd /proc/self/fd/7/ && pwd -P); ${NAMED}`, {
    mountSources: [{ path: '/usr', identity: `${dev}:${ino}` }],
  });
  const here = await rehearse(programs.here, plan, untilLogged('7 is'));
  assert.deepEqual([here.failure, here.early], ['', '7 is /usr\n'], 'so it is not the plan');
  const { failure, reports } = await rehearse(programs.arm64, plan, () => undefined);
  assert.deepEqual([failure, reports], ['Cannot mount "/usr", which the launcher admitted: ENOSYS', []]);
});

/** Until it holds the last of the handles that it opens in one go; its own limit is longer. */
async function untilScratch({ starter }: Rehearsal): Promise<void> {
  for (const deadline = performance.now() + 4_000; performance.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 5)))
    if (descriptorsOf(starter.process.pid ?? -1).includes('/workspace')) return;
}

/** What it has open, as long as that lasts: it closes those that it opened too early. */
function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((fd) => readlinkSync(join(folder, fd)));
  } catch {
    return [];
  }
}

/** O_PATH, O_DIRECTORY, O_NOFOLLOW and O_CLOEXEC as this kernel says it; arm64 has other numbers for two of them. */
const HANDLE_FLAGS = '012600000';

test("arm64: bureau-starter starts bubblewrap itself, and gives the relay handles to the sandbox's file systems", async () => {
  const scratch = ['/tmp', '/dev/shm', '/home/agent', '/workspace'];
  const command = 'read -r line; exit 7';
  const roots = '--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --dev /dev';
  const plan = planOf('', {
    line: [...'/usr/bin/bwrap --args 3 --seccomp 4 --json-status-fd 5 --block-fd 6 /bin/sh -c'.split(' '), command],
    options: [...`--die-with-parent --unshare-all ${roots}`.split(' '), ...scratch.flatMap((place) => ['--tmpfs', place])],
  });
  const found = await alike(async (program) => {
    await using rehearsal = new Rehearsal(program, directory, encodeStartPlan(plan));
    rehearsal.awaitReport();
    rehearsal.say('g');
    rehearsal.awaitReport();
    await untilScratch(rehearsal);
    rehearsal.leave();
    const taken = rehearsal.takeOver();
    assert.ok(taken && 'input' in taken.stdio, rehearsal.log);
    const handles = taken.scratch.map((handle) => readlinkSync(`/proc/self/fd/${handle}`));
    const flags = taken.scratch.map((handle) => /flags:\s+([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${handle}`, 'utf8'))?.[1]);
    const isOther = taken.scratch.every((handle) => fstatSync(handle).dev !== statSync('/tmp').dev);
    writeSync(taken.stdio.input, 'end\n');
    return { handles, flags, isOther, waits: taken.gate !== undefined, failure: taken.failure, ended: await rehearsal.ended };
  });
  const flags = scratch.map(() => HANDLE_FLAGS);
  assert.deepEqual(found, { handles: scratch, flags, isOther: true, waits: false, failure: '', ended: { code: 7, signal: null } });
});

/** A start that comes to nothing, whatever the launcher's end says: what is in the relay's log, and how it ends. */
async function refusedPlan(program: string, bytes: Uint8Array, length = bytes.length): Promise<{ log: string; ended: Ended }> {
  await using rehearsal = new Rehearsal(program, directory, bytes, length);
  rehearsal.leave();
  assert.equal(rehearsal.takeOver(), null, 'a plan was taken');
  const ended = await rehearsal.ended;
  assert.deepEqual(await rehearsal.reports(), []);
  return { log: rehearsal.log, ended };
}

test('arm64: bureau-starter refuses a bad plan as on this processor', async () => {
  const more = {
    line: ['/bin/true', 'a word'],
    options: ['an option'],
    mountSources: [{ path: 'a source', identity: '1:2' }],
    devices: ['a device'],
  };
  const plan = Buffer.from(encodeStartPlan(planOf('', more)));
  const changed = (from: string, to: string): Buffer => Buffer.from(plan.toString('latin1').replace(from, to), 'latin1');
  const firstLength = plan.subarray(28, 32).toString('latin1');
  const refusals: readonly (readonly [bytes: Uint8Array, length: number, log: string])[] = [
    [plan.subarray(0, 0), 0, 'expected a plan of 1 to 4194304 bytes, found 0'],
    [plan, 0xffff_fff0, 'expected a plan of 1 to 4194304 bytes, found 4294967280'],
    [plan, 3, 'expected 4 bytes more of a plan, found 3'],
    [Buffer.concat([plan, plan.subarray(0, 1)]), plan.length + 1, 'expected the end of a plan, found 1 bytes more'],
    [changed(firstLength, '\xff\xff\xff\xff'), plan.length, `expected 4294967295 bytes more of a plan, found ${plan.length - 32}`],
    [changed('a word\0', 'a word!'), plan.length, "expected a NUL behind the last of a plan's words"],
    [changed('an option\0', 'an option!'), plan.length, "expected a NUL behind the last of a plan's options"],
    [changed('1:2\0', '1:2!'), plan.length, "expected a NUL behind the last of a plan's mount sources"],
    [changed('a device\0', 'a device!'), plan.length, "expected a NUL behind the last of a plan's devices"],
  ];
  for (const [bytes, length, log] of refusals) {
    const found = await alike((program) => refusedPlan(program, bytes, length), log);
    assert.deepEqual(found, { log: `bureau-starter: ${log}\n`, ended: { code: 125, signal: null } });
  }
  const wordless = encodeStartPlan(planOf('', { line: [] }));
  assert.equal(
    (await alike((program) => refusedPlan(program, wordless))).log,
    'bureau-starter: expected a command line in a plan, found none\n',
  );
  const odd = Buffer.from(encodeStartPlan(planOf('', { mountSources: more.mountSources })));
  const single = Buffer.from(odd.toString('latin1').replace('a source\x001:2', 'a source?1:2'), 'latin1');
  const { log } = await alike((program) => refusedPlan(program, single));
  assert.equal(log, 'bureau-starter: expected the identity of the mount source a source?1:2\n');
  const cut = await alike((program) => refusedPlan(program, plan.subarray(0, -1), plan.length), 'the launcher goes amid it');
  assert.deepEqual(cut, { log: '', ended: { code: 0, signal: null } });
});
