// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { startStand, until, type CommandOptions, type CommandResult, type Stand } from '@bureau/testkit';

/** A mistake is told at once. */
const ERROR_MILLISECONDS = 2_000;
/** A payload that ignores TERM has 5 s of grace. */
const END_MILLISECONDS = 15_000;
/** Ignores what it can, and leaves a stopped, a detached and a doubly forked child: only a killer of the whole tree ends this. */
const STUBBORN = `trap '' TERM INT HUP QUIT
sleep 1001 & stopped=$!
until grep -q sleep /proc/$stopped/comm; do :; done; kill -STOP $stopped
setsid sh -c "trap '' TERM INT HUP; (sleep 1002 &) ; sleep 1003" &
(sh -c 'sleep 1004 &' &)
echo up
while :; do sleep 1; done`;

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
afterEach(async () => {
  await stand.assertUnchanged();
  assert.deepEqual(await assignments(), [], 'nothing is assigned any more');
});
after(async () => await stand.end());

/** `bureau run PRINCIPAL OPTIONS… -- COMMAND…` */
function run(
  principal: string,
  command: readonly string[],
  options: readonly string[] = [],
  more: CommandOptions = {},
): Promise<CommandResult> {
  return stand.bureau(['run', principal, ...options, '--', ...command], more);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Assignments of the machine's room that say something. */
async function assignments(): Promise<object[]> {
  const { configRoom } = JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')) as { configRoom: string };
  const { body } = await stand.matrix(`/_matrix/client/v3/rooms/${encodeURIComponent(configRoom)}/state`);
  const state = body as unknown as { type: string; content: object }[];
  assert.ok(state.length > 0);
  return state.filter(({ type, content }) => type === 'm.bureau.assignment' && Object.keys(content).length > 0);
}

/** Live processes of payloads. */
function payloads(): string[] {
  return stand
    .processes()
    .filter(({ role, zombie }) => role.startsWith('payload:') && !zombie)
    .map(({ args }) => args.join(' '));
}

describe('the exit code', () => {
  const cases: readonly [what: string, code: number, command: readonly string[], options?: readonly string[]][] = [
    ['of success is 0', 0, ['true']],
    ['is the command’s', 7, ['sh', '-c', 'exit 7']],
    ['is 126 for what cannot be executed', 126, ['/etc/passwd']],
    ['is 127 for what is not there', 127, ['no-such-command']],
    ['is 137 after kill -9', 137, ['sh', '-c', 'kill -9 $$']],
    ['is 143 after TERM', 143, ['sh', '-c', 'kill -TERM $$']],
    ['is 124 when the time is up', 124, ['sleep', '1000'], ['--timeout', '300ms']],
    ['is 124 for one that ignores TERM, too', 124, ['sh', '-c', STUBBORN], ['--timeout', '300ms']],
    ['is the payload’s even if it is one of ours', 125, ['sh', '-c', 'exit 125']],
  ];
  for (const [what, code, command, options] of cases) {
    test(what, async () => {
      const result = await run('probe/one', command, options);
      assert.equal(result.code, code, result.stderr);
    });
  }

  test('127 names the command that is missing', async () => {
    const { stderr, milliseconds } = await run('probe/one', ['no-such-command']);
    assert.match(stderr, /no-such-command: not found/);
    assert.ok(milliseconds < ERROR_MILLISECONDS, `took ${milliseconds} ms`);
  });
});

describe('what Bureau cannot do is told in less than 2 s with exit code 125', () => {
  const cases: readonly [what: string, words: readonly string[], message: RegExp][] = [
    ['upper case in a name', ['run', 'Bad/Name', '--', 'id'], /Bad\/Name.*segment "Bad"/],
    ['an empty segment', ['run', 'a//b', '--', 'id'], /a\/\/b.*empty segment/],
    ['a way out of the workspace', ['run', '../../etc', '--', 'id'], /\.\./],
    ['digits only', ['run', '12345', '--', 'id'], /all digits/],
    ['a name that is too long', ['run', 'x'.repeat(81), '--', 'id'], /at most 80 characters, found 81/],
    ['a reserved name', ['run', 'machine/x', '--', 'id'], /belong to Bureau itself/],
    ['an unknown template', ['run', 'probe/one', '--template', 'no-such', '--', 'id'], /there is no template "no-such"; known: .*default/],
    ['no command', ['run', 'probe/one'], /expected a command: bureau run <principal> -- CMD/],
    ['an empty command', ['run', 'probe/one', '--'], /expected a command/],
    [
      'a time limit that is none',
      ['run', 'probe/one', '--timeout', 'soon', '--', 'id'],
      /"soon" as a duration: expected something like "30s"/,
    ],
    ['a time limit of zero', ['run', 'probe/one', '--timeout', '0s', '--', 'id'], /above zero/],
    [
      'a variable without a value',
      ['run', 'probe/one', '-e', 'ALONE', '--', 'id'],
      /"ALONE" as an environment variable: expected NAME=value/,
    ],
    ['a variable with a bad name', ['run', 'probe/one', '-e', '1+1=2', '--', 'id'], /"1\+1=2".*letters, digits/],
    ['a command that no event can carry', ['run', 'probe/one', '--', 'echo', 'x'.repeat(70_000)], /a Matrix event carries 60000/],
    [
      'a workspace that is no directory',
      ['run', 'probe/one', '--workspace', '/etc/passwd', '--', 'id'],
      /"\/etc\/passwd" as a workspace: expected a directory/,
    ],
    [
      'a workspace that is not there',
      ['run', 'probe/one', '--workspace', '/no/such', '--', 'id'],
      /"\/no\/such" as a workspace: expected a directory/,
    ],
  ];
  for (const [what, words, message] of cases) {
    test(what, async () => {
      const { code, stdout, stderr, milliseconds } = await stand.bureau(words);
      assert.equal(code, 125, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n {4}at |\.ts:|\.js:/, 'a stack is nothing for a person');
      assert.ok(milliseconds < ERROR_MILLISECONDS, `took ${milliseconds} ms`);
      await stand.leaks.assertUnchanged(stand.start, ERROR_MILLISECONDS);
    });
  }
});

describe('principal_busy', () => {
  test('refuses a second run of a live principal; the first goes on', async () => {
    await using first = stand.spawnBureau(['run', 'probe/one', '--', 'sh', '-c', 'echo up; read line; echo "got $line"; exit 9'], {
      stdin: 'pipe',
    });
    await first.stdout.waitFor('up', END_MILLISECONDS);
    const second = await run('probe/one', ['id']);
    assert.equal(second.code, 125);
    assert.match(second.stderr, /"probe\/one".*another "bureau run" holds it/);
    assert.ok(second.milliseconds < ERROR_MILLISECONDS, `took ${second.milliseconds} ms`);
    first.write('hello\n');
    const { code, stdout } = await first.exitedWithin(END_MILLISECONDS);
    assert.deepEqual({ code, stdout }, { code: 9, stdout: 'up\ngot hello\n' });
  });

  test('refuses a deployed agent, running or stopped, and leaves it alone', async () => {
    const deployed = await stand.bureau(['agent', 'deploy', 'busy/agent', '--', 'sleep', '1000']);
    assert.equal(deployed.code, 0, deployed.stderr);
    await stand.leaks.atRest();
    const before = stand.lasting();
    const refused = await run('busy/agent', ['id']);
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /"busy\/agent".*deployed as an agent/);
    assert.ok(refused.milliseconds < ERROR_MILLISECONDS, `took ${refused.milliseconds} ms`);
    assert.deepEqual(stand.lasting(), before);
    assert.equal((await stand.bureau(['agent', 'stop', 'busy/agent'])).code, 0);
    assert.equal((await run('busy/agent', ['id'])).code, 125);
    assert.equal((await stand.bureau(['agent', 'remove', 'busy/agent'])).code, 0);
    assert.equal((await run('busy/agent', ['true'])).code, 0);
  });
});

describe('input and output', () => {
  test('stdout and stderr stay apart with --no-tty', async () => {
    const { stdout, stderr, code } = await run('probe/one', ['sh', '-c', 'echo out; echo err >&2; echo out2'], ['--no-tty']);
    assert.deepEqual({ stdout, stderr, code }, { stdout: 'out\nout2\n', stderr: 'err\n', code: 0 });
  });

  test('stdin is passed on and ends', async () => {
    const { stdout } = await run('probe/one', ['sh', '-c', 'cat; echo end'], [], { input: 'one\ntwo\n' });
    assert.equal(stdout, 'one\ntwo\nend\n');
  });

  test('an empty stdin ends at once', async () => {
    assert.equal((await run('probe/one', ['sh', '-c', 'cat; echo end'])).stdout, 'end\n');
  });

  test('a payload that does not read its stdin ends all the same', async () => {
    const { code, stdout } = await run('probe/one', ['sh', '-c', 'exec <&-; echo done'], [], { input: Buffer.alloc(1024 * 1024, 'x') });
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'done\n' });
  });

  test('five megabytes of any bytes go in and come out the same', async () => {
    const bytes = randomBytes(5_000_000);
    const { code, stdoutBytes, stderr } = await run('probe/one', ['cat'], [], { input: bytes });
    assert.equal(code, 0, stderr);
    assert.equal(stdoutBytes.length, bytes.length);
    assert.equal(sha256(stdoutBytes), sha256(bytes));
  });

  test('twenty megabytes of output come through whole', async () => {
    const { code, stdoutBytes } = await run('probe/one', [
      'sh',
      '-c',
      'yes 0123456789abcdef | head -c 20000000; sha256sum </dev/null >&2; exit 3',
    ]);
    assert.equal(code, 3);
    const wanted = Buffer.from('0123456789abcdef\n'.repeat(Math.ceil(20_000_000 / 17))).subarray(0, 20_000_000);
    assert.equal(stdoutBytes.length, wanted.length);
    assert.equal(sha256(stdoutBytes), sha256(wanted));
  });

  test('a reader that goes away ends the run', async () => {
    await using running = stand.spawnBureau(['run', 'probe/one', '--', 'yes']);
    await running.stdout.waitFor('y\n', END_MILLISECONDS);
    running.process.stdout?.destroy();
    await running.exitedWithin(END_MILLISECONDS);
    await until('no payload', END_MILLISECONDS, () => payloads().length === 0);
    // Such a command line goes at once, as one that is killed: the assignment of its run stays, means nothing, and is the next one's.
    await stand.assertUnchanged();
    assert.equal((await run('probe/one', ['true'])).code, 0, 'the principal is free again');
  });

  test('--json puts the result alone on stdout, the payload’s output on stderr', async () => {
    const { code, stdout, stderr } = await run('probe/one', ['sh', '-c', 'echo hello; exit 3'], ['--json']);
    assert.equal(code, 3);
    assert.deepEqual(JSON.parse(stdout), { principal: 'probe/one', exit: { code: 3, signal: null }, exit_code: 3 });
    assert.equal(stderr, 'hello\n');
  });

  test('--env reaches the payload as it was written', async () => {
    const value = 'a=b; $(id) \'"\\ é';
    const { stdout } = await run('probe/one', ['sh', '-c', 'printf "%s|%s" "$ONE" "$TWO"'], ['-e', `ONE=${value}`, '--env', 'TWO=']);
    assert.equal(stdout, `${value}|`);
  });

  test('words after -- are the command’s, options and all', async () => {
    const { stdout, code } = await run('probe/one', ['printf', '%s\n', '--help', '--', '-e', '', 'two words']);
    assert.deepEqual({ stdout, code }, { stdout: '--help\n--\n-e\n\ntwo words\n', code: 0 });
  });
});

describe('a run’s life', () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const) {
    test(`${signal} to the command line ends everything of a stubborn payload`, async () => {
      await using running = stand.spawnBureau(['run', 'probe/one', '--', 'sh', '-c', STUBBORN]);
      await running.stdout.waitFor('up', END_MILLISECONDS);
      await until('all sleepers', END_MILLISECONDS, () =>
        ['1001', '1002', '1003', '1004'].every((mark) => payloads().includes(`sleep ${mark}`)),
      );
      running.signal(signal);
      const ended = await running.exitedWithin(END_MILLISECONDS);
      assert.equal(ended.code, code, ended.stderr);
      await until('nothing of the payload left', END_MILLISECONDS, () => payloads().length === 0);
      // Its proxy and its directory go after it; until then it is busy.
      await stand.assertUnchanged();
      assert.equal((await run('probe/one', ['true'])).code, 0, 'the principal is free again');
    });
  }

  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    test(`${signal} to the command line lets the payload end in its own way`, async () => {
      const script = 'trap "echo bye > /workspace/bye; exit" TERM; echo up; while :; do sleep 0.1; done';
      await using running = stand.spawnBureau(['run', 'probe/one', '--', 'sh', '-c', script]);
      await running.stdout.waitFor('up', END_MILLISECONDS);
      running.signal(signal);
      assert.equal((await running.exitedWithin(END_MILLISECONDS)).code, 130);
      assert.equal((await run('probe/one', ['sh', '-c', 'cat /workspace/bye; rm /workspace/bye'])).stdout, 'bye\n');
    });
  }

  test('a payload’s end takes what it left in the background', async () => {
    const { code, stdout } = await run('probe/one', ['sh', '-c', 'sleep 1000 & setsid sleep 1001 & echo done']);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'done\n' });
    assert.deepEqual(payloads(), []);
  });

  test('two principals run side by side, each under its own uid', async () => {
    const script = 'echo up; read line; id -u';
    await using one = stand.spawnBureau(['run', 'probe/one', '--', 'sh', '-c', script], { stdin: 'pipe' });
    await using two = stand.spawnBureau(['run', 'probe/two', '--', 'sh', '-c', script], { stdin: 'pipe' });
    await Promise.all([one.stdout.waitFor('up', END_MILLISECONDS), two.stdout.waitFor('up', END_MILLISECONDS)]);
    one.write('go\n');
    two.write('go\n');
    const [first, second] = await Promise.all([one.exitedWithin(END_MILLISECONDS), two.exitedWithin(END_MILLISECONDS)]);
    assert.deepEqual([first.code, second.code], [0, 0]);
    const uids = [first, second].map(({ stdout }) => Number(stdout.split('\n')[1]));
    assert.notEqual(uids[0], uids[1]);
    for (const uid of uids) assert.ok(uid >= stand.uidBase + 16 && uid % 2 === stand.uidBase % 2, `${uid}`);
  });

  test('/workspace is kept from run to run, /tmp and home are not', async () => {
    const wrote = await run('probe/keep', [
      'sh',
      '-c',
      'echo kept > /workspace/file; echo gone > /tmp/file; echo gone > ~/file; echo gone > /dev/shm/file',
    ]);
    assert.equal(wrote.code, 0, wrote.stderr);
    const read = await run('probe/keep', ['sh', '-c', 'cat /workspace/file; ls -A /tmp ~ /dev/shm']);
    assert.equal(read.stdout, 'kept\n/dev/shm:\n\n/home/agent:\n\n/tmp:\n');
    const other = await run('probe/other', ['ls', '-A', '/workspace']);
    assert.equal(other.stdout, '');
  });

  test('a dead daemon is told in less than 2 s, and the next run works when it is back', async () => {
    const manager = stand.process('stand').pid;
    process.kill(manager, 'SIGSTOP');
    try {
      process.kill(stand.process('daemon').pid, 'SIGKILL');
      await until('the daemon dead', END_MILLISECONDS, () => !stand.processes().some(({ role, zombie }) => role === 'daemon' && !zombie));
      const { code, stderr, milliseconds } = await run('probe/one', ['id']);
      assert.equal(code, 125);
      assert.match(stderr, /daemon does not answer; start the stand with "script\/up --instance/);
      assert.ok(milliseconds < ERROR_MILLISECONDS, `took ${milliseconds} ms`);
    } finally {
      process.kill(manager, 'SIGCONT');
    }
    await until('the daemon back', END_MILLISECONDS, async () => (await run('probe/one', ['true'])).code === 0);
  });
});

test('after all of them the machine knows of no agent', async () => {
  const { agents } = JSON.parse((await stand.bureau(['agent', 'list', '--json'])).stdout);
  assert.deepEqual(agents, []);
});
