// SPDX-License-Identifier: Apache-2.0
// bureau-exec for arm64 beside the one of this machine, whose own tests say what is right: both must answer alike, byte for byte.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compileForBoth, elfOf, EMULATOR, type BothPrograms } from '../arm64.testing.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bureau-exec-arm64-')));
const bin = join(folder, 'bin');
const PATH = '/usr/bin:/bin';
let programs: BothPrograms;
before(() => {
  programs = compileForBoth(folder, 'exec');
  mkdirSync(bin);
  writeFileSync(join(bin, 'formless'), 'echo "$0: $*"; exit 3\n', { mode: 0o755 });
  writeFileSync(join(bin, 'plain'), 'echo never\n', { mode: 0o644 });
  writeFileSync(join(bin, 'no-interpreter'), '#!/nowhere/at-all\n', { mode: 0o755 });
  symlinkSync('loop', join(bin, 'loop'));
});
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly error: string;
}

function run(command: readonly string[], env: Record<string, string> = { PATH }): Ended {
  const [program = '', ...words] = command;
  const { status, signal, stdout, stderr } = spawnSync(program, words, { encoding: 'latin1', timeout: 20_000, env });
  return { code: status, signal, output: stdout, error: stderr };
}

/** What both say of the same words. */
function alike(words: readonly string[], env: Record<string, string> = { PATH }): Ended {
  const here = run([programs.here, ...words], env);
  assert.deepEqual(run([programs.arm64, ...words], env), here, words.join(' ').slice(0, 100));
  return here;
}

/** The same of both behind a preparation in Python. */
function alikePrepared(preparation: readonly string[], words: readonly string[]): Ended {
  const python = `import os, pty, signal, sys\n${preparation.join('\n')}\nos.execv(sys.argv[1], sys.argv[1:])`;
  const here = run(['/usr/bin/python3', '-c', python, programs.here, ...words]);
  assert.deepEqual(run(['/usr/bin/python3', '-c', python, programs.arm64, ...words]), here, words.join(' '));
  return here;
}

test('arm64: bureau-exec is a program of that processor without library, interpreter or executable stack', () => {
  const elf = elfOf(programs.arm64Binary);
  assert.match(elf, /Machine:\s+AArch64/);
  assert.match(elf, /Type:\s+EXEC/);
  assert.match(elf, /GNU_STACK.* RW /);
  assert.doesNotMatch(elf, /INTERP|DYNAMIC/);
});

test('arm64: bureau-exec finds, runs and refuses commands as on this processor', () => {
  const codes = (paths: string, ...commands: string[][]): (number | null)[] =>
    commands.map((command) => alike([bin, ...command], { PATH: paths }).code);
  assert.deepEqual(
    codes(PATH, ['true'], ['sh', '-c', 'exit 42'], ['xyz'], ['/no/such'], ['-x'], ['/usr'], ['/etc/passwd']),
    [0, 42, 127, 127, 127, 126, 126],
  );
  assert.deepEqual(
    codes(`${bin}:${PATH}`, ['formless', 'a', 'b c'], ['plain'], ['no-interpreter'], ['loop'], ['x'.repeat(300)]),
    [3, 126, 127, 127, 127],
  );
  assert.deepEqual(codes('', ['formless', 'a'], ['./formless'], ['x'.repeat(5_000)]), [3, 3, 127]);
  assert.deepEqual(codes(`/${'x'.repeat(5_000)}:${'/nowhere:'.repeat(2_000)}/usr/bin`, ['echo', 'later']), [0]);
  assert.equal(alike([bin, 'echo', 'usual'], {}).output, 'usual\n');
  assert.equal(alike(['/', 'sh', '-c', 'kill -TERM $$']).signal, 'SIGTERM');
  assert.equal(alike([bin, 'x\u001b[2Jy\u007f']).error, 'bureau: x?[2Jy?: not found\n');
  for (const words of [[], ['/'], ['--terminal', '/'], ['/no/such', 'true'], ['', 'true']]) assert.equal(alike(words).code, 125);
});

test('arm64: bureau-exec passes directory, arguments and environment on as they are', () => {
  const odd = { PATH, A: '', OLDPWD: '/old', IFS: 'x', PWD: '/elsewhere', _: 'under' };
  // No shell between, which would add to them; the emulator turns their order round.
  const { output } = run([EMULATOR, programs.arm64Binary, bin, '/usr/bin/env', '-0'], odd);
  const expected = Object.entries({ ...odd, PWD: bin }).map(([name, value]) => `${name}=${value}`);
  assert.deepEqual(output.split('\0').slice(0, -1).toSorted(), expected.toSorted());
  assert.equal(alike([bin, 'pwd', '-P']).output, `${bin}\n`);
  const many = Array.from({ length: 2_000 }, (_, index) => `${index} ${'x'.repeat(100)}`);
  const long = ['--help', '', 'a b', '$(id)', '\n', 'y'.repeat(128 * 1024 - 1), ...many];
  assert.deepEqual(
    alike([bin, 'printf', '%s\\0', ...long])
      .output.split('\0')
      .slice(0, -1),
    long,
  );
});

test('arm64: bureau-exec gives every signal its default and blocks none', () => {
  // Those of real time are partly the emulator's own.
  const preparation = [
    'for one in range(1, 32):',
    '  if one not in (9, 19): signal.signal(one, signal.SIG_IGN)',
    'signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))',
  ];
  const { output } = alikePrepared(preparation, ['/', '/usr/bin/sed', '-n', '/^Sig[BI]/p', '/proc/self/status']);
  assert.equal(output, 'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n');
});

test('arm64: bureau-exec --terminal makes a session in front of the terminal, and only of a terminal', () => {
  const terminal = ['ours, slave = pty.openpty()', 'os.dup2(slave, 0)', 'os.set_inheritable(ours, True)'];
  const facts = 'import os; print(os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp(), os.isatty(os.open("/dev/tty", os.O_RDWR)))';
  const words = ['--terminal', '/', '/usr/bin/python3', '-c', facts];
  assert.equal(alikePrepared(terminal, words).output, 'True True True\n');
  assert.match(alikePrepared(['pass'], words).error, /descriptor 0: Inappropriate ioctl for device\n$/);
  assert.match(alikePrepared([...terminal, 'os.setpgid(0, 0)'], words).error, /Operation not permitted\n$/);
});
