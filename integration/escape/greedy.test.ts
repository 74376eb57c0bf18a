// SPDX-License-Identifier: Apache-2.0
// A payload that takes all it can. Amounts are above the limits of its template and far below what harms this machine.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { readCredentials, startStand, until, type Stand } from '@bureau/testkit';
import { titlesOf } from './catalogue.ts';

const MIB = 1024 * 1024;
const LIMITS = { memory: 128 * MIB, pids: 64, fileSize: 1024 * MIB };
/** More than any attack asks for: as good as none. */
const LARGE = { memory: 1024 * MIB, pids: 1_024, fileSize: 200 * 1024 * MIB };
const START_MILLISECONDS = 30_000;
const END_MILLISECONDS = 5_000;
/** What the issue asks of the daemon meanwhile. */
const ANSWER_MILLISECONDS = 1_000;

let stand: Stand;
before(async () => {
  stand = await startStand({ demo: false });
  const room = encodeURIComponent(
    readCredentials(stand.facts.credential_file).get('MATRIX_TEMPLATE_ROOM') ?? assert.fail('a template room'),
  );
  for (const [name, resources] of [
    ['small', LIMITS],
    ['large', LARGE],
  ] as const) {
    const body = { v: 1, description: name, environment: {}, mounts: [], resources };
    const { status } = await stand.matrix(`/_matrix/client/v3/rooms/${room}/state/m.bureau.template/${name}`, { method: 'PUT', body });
    assert.equal(status, 200);
  }
});
after(async () => await stand.end());

/** Each prints how much it got of `ASKED`; a part of it that is killed does not take the word away. */
const FORKS = `
import os, sys, time
got = 0
children = []
try:
    while got < int(sys.argv[1]):
        child = os.fork()
        if child == 0:
            if len(sys.argv) > 2:
                while True: pass
            time.sleep(1000)
        children.append(child); got += 1
except OSError: pass
print(got, flush=True)
if len(sys.argv) > 2: time.sleep(1000)
for child in children: os.kill(child, 9)
`;
const THREADS = `
import sys, threading
stop = threading.Event()
got = 0
try:
    while got < int(sys.argv[1]):
        threading.Thread(target=stop.wait, daemon=True).start(); got += 1
except RuntimeError: pass
print(got, flush=True)
stop.set()
`;
/** Says `x` for each MiB: the kernel may end all of it at any time. */
const TAKING = `
import mmap, os, sys
kept = []
def heap():
    area = mmap.mmap(-1, 1 << 20); kept.append(area)
    for at in range(0, 1 << 20, 4096): area[at] = 1
def shared():
    with open('/dev/shm/fill', 'ab') as file: file.write(bytes(1 << 20))
for _ in range(int(sys.argv[1])):
    KIND()
    os.write(1, b'x')
`;
const HEAP = TAKING.replace('KIND', 'heap');
const SHARED = TAKING.replace('KIND', 'shared');
const SPARSE = `
import os, sys, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = os.open('/workspace/sparse', os.O_RDWR | os.O_CREAT, 0o600)
try:
    os.ftruncate(file, int(sys.argv[1]) << 20)
except OSError: pass
print(os.fstat(file).st_size >> 20, flush=True)
os.unlink('/workspace/sparse')
`;

const CASES: readonly { readonly name: string; readonly program: string; readonly asked: number; readonly limit: number }[] = [
  { name: 'threads', program: THREADS, asked: 200, limit: LIMITS.pids },
  { name: 'sparse_file', program: SPARSE, asked: 100 * 1024, limit: LIMITS.fileSize / MIB },
];

/** What it says it got: a number, or an `x` for each. */
function amount(stdout: string, stderr: string): number {
  assert.match(stdout, /^(\d+|x+)$/m, stderr);
  return stdout.startsWith('x') ? stdout.length : Number(stdout);
}

async function gotInSandbox(program: string, asked: number, template: 'small' | 'large' = 'small'): Promise<number> {
  const words = ['run', 'escape/greedy', '--template', template, '--no-tty', '--', '/usr/bin/python3', '-I', '-c', program, `${asked}`];
  const { stdout, stderr } = await stand.bureau(words);
  return amount(stdout, stderr);
}

/** Of the same launcher, which holds this one to other numbers. */
function gotWithoutLimit(program: string, asked: number): Promise<number> {
  return gotInSandbox(program, asked, 'large');
}

for (const { name, program, asked, limit } of CASES) {
  const { attack, control } = titlesOf(name);
  describe(name, () => {
    test(attack, async (context) => {
      const got = await gotInSandbox(program, asked);
      context.diagnostic(`${got} of ${asked}`);
      assert.ok(got <= limit, `it got ${got}, and its limit is ${limit}`);
    });
    test(control, async () => assert.equal(await gotWithoutLimit(program, asked), asked));
  });
}

describe('memory', () => {
  const { attack, control } = titlesOf('memory');
  test(attack, async (context) => {
    for (const program of [HEAP, SHARED]) {
      const got = await gotInSandbox(program, 300);
      context.diagnostic(`${got} of 300 MiB`);
      assert.ok(got > 16 && got <= LIMITS.memory / MIB, `it got ${got} MiB, and its limit is ${LIMITS.memory / MIB}`);
    }
  });
  test(control, async () => {
    for (const program of [HEAP, SHARED]) assert.equal(await gotWithoutLimit(program, 300), 300);
  });
});

describe('fork_bomb', () => {
  const { attack, control } = titlesOf('fork_bomb');
  test(attack, async (context) => {
    const rest = await stand.leaks.atRest();
    const words = ['run', 'escape/greedy', '--template', 'small', '--no-tty', '--', '/usr/bin/python3', '-I', '-c', FORKS, '200', 'spin'];
    await using command = stand.spawnBureau(words);
    const said = await command.stdout.waitFor(/^\d+\n/, START_MILLISECONDS);
    const got = Number(/^\d+/.exec(String(said))?.[0]);
    assert.ok(got > 5 && got < LIMITS.pids, `it got ${got} processes, and its limit is ${LIMITS.pids}`);
    const answers: number[] = [];
    for (let at = 0; at < 5; at += 1) answers.push(await answerOfDaemon());
    const median = answers.toSorted((one, other) => one - other)[2] ?? assert.fail('five answers');
    assert.ok(median < ANSWER_MILLISECONDS, `the daemon answered after ${answers.map(Math.round).join(', ')} ms`);
    const began = performance.now();
    command.signal('SIGKILL');
    await until('all of them are gone', END_MILLISECONDS, () =>
      stand.processes().every(({ role, zombie }) => zombie || !role.startsWith('payload:')),
    );
    context.diagnostic(
      `${got} processes that spin; the daemon answers in ${Math.round(median)} ms; gone in ${Math.round(performance.now() - began)} ms`,
    );
    // Its proxy and its directory go after it; until then the next run of this name is told that it is busy.
    await stand.leaks.assertUnchanged(rest);
  });

  test(control, async () => assert.equal(await gotWithoutLimit(FORKS, 200), 200));

  /** Milliseconds until it has turned a bad frame away. */
  async function answerOfDaemon(): Promise<number> {
    const began = performance.now();
    const socket = connect(stand.paths.daemonSocket);
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await once(socket, 'close');
    return performance.now() - began;
  }
});
