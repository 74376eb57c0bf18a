// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compileBuilds, type Build } from '../compile.testing.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bureau-exec-')));
const [first, second] = [join(folder, 'first'), join(folder, 'second')];
let programs: Record<Build, string>;
before(() => {
  programs = compileBuilds(folder, 'exec');
  for (const directory of [first, join(first, 'both'), second]) mkdirSync(directory);
  const write = (path: string, text: string, mode: number): void => writeFileSync(path, text, { mode });
  write(join(first, 'formless'), 'echo "$0: $*"; exit 3\n', 0o755);
  write(join(first, 'plain'), 'echo never\n', 0o644);
  write(join(first, 'no-interpreter'), '#!/nowhere/at-all\n', 0o755);
  write(join(first, 'empty'), '', 0o755);
  write(join(first, '-x'), '#!/bin/sh\necho an option\n', 0o755);
  write(join(second, 'both'), '#!/bin/sh\necho "second: $*"\n', 0o755);
  write(join(second, 'plain'), '#!/bin/sh\necho second\n', 0o755);
  symlinkSync('loop', join(first, 'loop'));
});
after(() => rmSync(folder, { recursive: true }));

const BUILDS: readonly Build[] = ['hardened', 'sanitized'];
const PATH = '/usr/bin:/bin';
/** What bureau-exec stands in for: where it differs from a shell, a test below says so. */
const SHELL_LINE = 'cd -- "$1" || exit 125; shift; unset OLDPWD; case $1 in -*) exit 127;; esac; exec "$@"';

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly error: string;
}

function run(program: string, words: readonly string[], environment: Record<string, string> = { PATH }): Ended {
  const { status, signal, stdout, stderr, error } = spawnSync(program, words, { encoding: 'latin1', timeout: 20_000, env: environment });
  // One that was not started, or was killed for its time, has said nothing either: two of those would be alike.
  if (error !== undefined) throw error;
  return { code: status, signal, output: stdout, error: stderr };
}

/** Python that becomes what follows its program, after a preparation. */
function prepared(preparation: string, command: readonly string[]): Ended {
  const program = `import os, pty, signal, sys\n${preparation}\nos.execv(sys.argv[1], sys.argv[1:])`;
  return run('/usr/bin/python3', ['-c', program, ...command]);
}

/** Another session has the terminal already; its process ends with the one that comes after. */
const TAKEN: readonly string[] = [
  'import fcntl, termios',
  '(ready, go), (end, stay) = os.pipe(), os.pipe()',
  'if os.fork() == 0:',
  '  os.close(stay); os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.write(go, b"x"); os.read(end, 1); os._exit(0)',
  'os.set_inheritable(stay, True); os.read(ready, 1)',
];

test('bureau-exec is found and not found, run and refused, as a shell does it', () => {
  const cases: readonly (readonly [path: string | undefined, command: readonly string[], code: number])[] = [
    [PATH, ['true'], 0],
    [PATH, ['sh', '-c', 'exit 42'], 42],
    [PATH, ['xyz'], 127],
    [PATH, ['/no/such', 'x'], 127],
    [PATH, ['/etc/passwd/x'], 127],
    [PATH, ['-x'], 127],
    [`${first}:${PATH}`, ['-x'], 127],
    [PATH, ['./-x'], 0],
    [PATH, ['--', 'true'], 127],
    [PATH, ['/usr'], 126],
    [PATH, ['/etc/passwd'], 126],
    [PATH, [''], 126],
    [PATH, ['cd', '/'], 127],
    [PATH, ['x'.repeat(300)], 127],
    [PATH, ['x'.repeat(5_000)], 127],
    [PATH, [`/${'x'.repeat(5_000)}`], 127],
    [PATH, ['a\nb\u001b[31m\u00ff'], 127],
    [`${first}:${second}:${PATH}`, ['both', 'a', 'b c'], 0],
    [`${first}:${PATH}`, ['both'], 126],
    [`${first}:${second}:${PATH}`, ['plain'], 0],
    [`${first}:${PATH}`, ['plain'], 126],
    [`${first}:${PATH}`, ['formless', 'a', 'b c'], 3],
    [PATH, [join(first, 'formless'), 'a'], 3],
    [PATH, ['./formless', 'a'], 3],
    [`${first}:${PATH}`, ['no-interpreter'], 127],
    [`${first}:${PATH}`, ['empty'], 0],
    [`${first}:${PATH}`, ['loop'], 127],
    [PATH, ['first/../first/formless'], 127],
    ['', ['formless', 'a'], 3],
    [':/nowhere', ['formless', 'a'], 3],
    ['/nowhere:', ['formless', 'a'], 3],
    ['/nowhere::/nowhere/else', ['formless', 'a'], 3],
    ['/nowhere', ['formless'], 127],
    ['.', ['formless', 'a'], 3],
    ['', [''], 127],
    [':', ['-'], 127],
    [`/${'x'.repeat(5_000)}:${PATH}`, ['echo', 'later'], 0],
    [`${'/nowhere:'.repeat(2_000)}/usr/bin`, ['echo', 'later'], 0],
    [undefined, ['echo', 'usual'], 0],
  ];
  for (const [path, command, code] of cases) {
    const environment: Record<string, string> = path === undefined ? {} : { PATH: path };
    const name = `${path?.slice(0, 60)} ${command.join(' ').slice(0, 60)}`;
    const shell = run('/bin/sh', ['-c', SHELL_LINE, 'sh', first, ...command], environment);
    assert.equal(shell.code, code, `a shell: ${name}: ${shell.error}`);
    for (const build of BUILDS) {
      const found = run(programs[build], [first, ...command], environment);
      assert.deepEqual([found.code, found.output], [code, shell.output], `${name}: ${found.error}`);
      if (code < 126) assert.equal(found.error, '', name);
      else assert.match(found.error, /^bureau: [^\p{Cc}]*: [A-Za-z ]+\n$/u, name);
    }
  }
});

test('bureau-exec says why in a line of its own', () => {
  const cases: readonly (readonly [command: string, error: string])[] = [
    ['xyz', 'bureau: xyz: not found\n'],
    ['-x', 'bureau: -x: not found\n'],
    ['/etc/passwd', 'bureau: /etc/passwd: Permission denied\n'],
    ['./loop', 'bureau: ./loop: Too many levels of symbolic links\n'],
    ['x\u001b[2Jy\nz\u007f', 'bureau: x?[2Jy?z?: not found\n'],
    ['\u00e9', 'bureau: \u00c3\u00a9: not found\n'],
    ['x'.repeat(300), `bureau: ${'x'.repeat(300)}: File name too long\n`],
  ];
  for (const build of BUILDS) {
    for (const [command, error] of cases) assert.equal(run(programs[build], [first, command]).error, error);
    for (const words of [[], [first], ['--terminal'], ['--terminal', first]]) {
      const { code, error } = run(programs[build], words);
      assert.deepEqual([code, error.split('\n').length, error.includes('DIRECTORY COMMAND')], [125, 2, true], words.join(' '));
    }
  }
});

test('bureau-exec: a file of no format where there is no shell cannot run', () => {
  const words = ['--root', folder, '--wd', '/', '/hardened', '/first', './formless'];
  const { code, error } = run('/usr/bin/unshare', ['--map-root-user', ...words]);
  assert.deepEqual([code, error], [126, 'bureau: ./formless: Exec format error\n']);
});

test('bureau-exec starts in the directory, and tells of one that is none with 125', () => {
  for (const build of BUILDS) {
    assert.equal(run(programs[build], [second, 'pwd', '-P']).output, `${second}\n`);
    for (const directory of ['/no/such', '/etc/passwd', 'x'.repeat(255), `/${'x/'.repeat(3_000)}`, '']) {
      const { code, output, error } = run(programs[build], [directory, 'echo', 'ran']);
      const message = `bureau: cannot start in ${directory}: there is no such directory in the sandbox (field "directory" of its spec)\n`;
      assert.deepEqual([code, output, error], [125, '', message]);
    }
  }
});

test('bureau-exec passes arguments, environment and descriptors on as they are; PWD, where there is one, names the directory', () => {
  const odd = { PATH, A: '', OLDPWD: '/old', IFS: 'x', PWDX: '1', _: 'under', OPTIND: '7' };
  for (const build of BUILDS) {
    const env = (environment: Record<string, string>): string[] =>
      run(programs[build], [first, '/usr/bin/env', '-0'], environment).output.split('\0').slice(0, -1);
    const expected = Object.entries(odd).map(([name, value]) => `${name}=${value}`);
    assert.deepEqual(env(odd), expected);
    assert.deepEqual(env({ PWD: '/', ...odd }), [`PWD=${first}`, ...expected]);
    const many = Array.from({ length: 4_096 }, (_, index) => `${index}\u00ff ${'x'.repeat(100)}`);
    const long = ['--help', '', 'a b', '$(id)', '\n', 'y'.repeat(128 * 1024 - 1), ...many];
    const { output } = run(programs[build], [first, 'printf', '%s\\0', ...long]);
    assert.deepEqual(Buffer.from(output, 'latin1').toString().split('\0').slice(0, -1), long);
    const bytes = run('/bin/sh', ['-c', `exec "$0" / printf %s "$(printf '\\377\\200\\033\\001')"`, programs[build]]);
    assert.equal(bytes.output, '\u00ff\u0080\u001b\u0001');
    const open = 'os.dup2(1, 9); os.set_inheritable(9, True)';
    const list = ['/bin/sh', '-c', 'ls /proc/self/fd | tr "\\n" " "'];
    assert.equal(prepared(open, [programs[build], '/', ...list]).output, prepared(open, list).output);
    const control = prepared(open, list);
    assert.ok(control.output.split(' ').includes('9'), `control: ${control.output} ${control.error}`);
  }
});

/** What a process has that was prepared so, of those that can be had: not KILL and STOP, not the two of the C library. */
const PREPARED = { blocked: 0x7ffbfeffn, ignored: 0xfffffffe7ffbfeffn };

test('bureau-exec gives every signal its default and blocks none', () => {
  const preparation = [
    'for one in range(1, 65):',
    '  if one not in (9, 19, 32, 33): signal.signal(one, signal.SIG_IGN)',
    'signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))',
  ].join('\n');
  const signals = ['/usr/bin/sed', '-n', '/^Sig[BI]/p', '/proc/self/status'];
  const none = 'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n';
  assert.equal(prepared(preparation, [programs.hardened, '/', ...signals]).output, none);
  const control = prepared(preparation, signals);
  const [blocked, ignored] = [...control.output.matchAll(/:\t(\w{16})$/gm)].map(([, mask]) => BigInt(`0x${mask}`));
  // At least those: who started all of this may ignore more, as whoever uses posix_spawn of the C library does with its own two.
  assert.equal((blocked ?? 0n) & PREPARED.blocked, PREPARED.blocked, `control: ${control.output} ${control.error}`);
  assert.equal((ignored ?? 0n) & PREPARED.ignored, PREPARED.ignored, `control: ${control.output} ${control.error}`);
});

test('bureau-exec --terminal makes a session in front of the terminal, and only of a terminal', () => {
  const terminal = 'ours, slave = pty.openpty()\nos.dup2(slave, 0)\nos.set_inheritable(ours, True)';
  const facts =
    'import os, sys\nsession = os.getsid(0) == os.getpid()\nfront = session and os.tcgetpgrp(0) == os.getpgrp()\nprint(session, front, session and os.isatty(os.open("/dev/tty", os.O_RDWR)))';
  const look = ['/usr/bin/python3', '-c', facts];
  for (const build of BUILDS) {
    const taking = [programs[build], '--terminal', '/', ...look];
    assert.equal(prepared(terminal, taking).output, 'True True True\n');
    assert.equal(prepared(terminal, [programs[build], '/', ...look]).output, 'False False False\n', 'control: without, nothing changes');
    const fails = (preparation: string, reason: RegExp): void => {
      const { code, output, error } = prepared(preparation, taking);
      assert.deepEqual([code, output], [125, '']);
      assert.match(error, reason);
    };
    fails('pass', /^bureau: cannot make a session with the terminal of descriptor 0: Inappropriate ioctl for device\n$/);
    fails(`${terminal}\nos.setpgid(0, 0)`, /^bureau: cannot make a session .*: Operation not permitted\n$/);
    fails([terminal, ...TAKEN].join('\n'), /^bureau: cannot make a session .*: Operation not permitted\n$/);
  }
});

test('bureau-exec has no library, no interpreter and no path of the machine that built it', () => {
  const bytes = readFileSync(programs.hardened);
  const [offset, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  const types = Array.from({ length: count }, (_, at) => bytes.readUInt32LE(offset + at * size));
  assert.ok(types.includes(1), 'PT_LOAD');
  for (const [type, name] of [
    [2, 'PT_DYNAMIC'],
    [3, 'PT_INTERP'],
  ] as const)
    assert.ok(!types.includes(type), name);
  assert.ok(bytes.length < 32_768, `${bytes.length} bytes`);
  assert.equal(bytes.includes(folder), false);
  chmodSync(programs.hardened, 0o555);
  assert.equal(run(programs.hardened, ['/', 'true']).code, 0);
});
