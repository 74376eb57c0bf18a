// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startStand, until, type Stand, type Terminal, type TerminalOptions } from '@bureau/testkit';

const WAIT_MILLISECONDS = 15_000;

let stand: Stand;
before(async () => (stand = await startStand({ demo: false })));
afterEach(async () => await stand.assertUnchanged());
after(async () => await stand.end());

/** `bureau run probe/one -- COMMAND…` as a person at a terminal has it. */
function run(command: readonly string[], options: TerminalOptions = {}): Terminal {
  return stand.terminal(['run', 'probe/one', '--', ...command], options);
}

test('a payload at a terminal has one, of the caller’s size', async () => {
  await using terminal = run(['sh', '-c', 'stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; echo $TERM'], {
    columns: 101,
    rows: 37,
  });
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.match(terminal.screen.text, /(^|\n)37 101\r\nall\r\nxterm-256color\r\n/);
});

test('a payload follows the size of the caller’s terminal', async () => {
  await using terminal = run([
    'bash',
    '-c',
    'trap "stty size" WINCH; echo up; while :; do read -t 0.2; [ "$REPLY" = end ] && exit 4; done',
  ]);
  await terminal.waitFor('up', WAIT_MILLISECONDS);
  terminal.resize(133, 51);
  await terminal.waitFor('51 133', WAIT_MILLISECONDS);
  terminal.send('end\r');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 4);
});

test('job control works in an interactive shell', async () => {
  await using terminal = run(['bash', '--norc', '-i'], { env: { PS1: '$ ' } });
  await terminal.waitFor('$ ', WAIT_MILLISECONDS);
  assert.doesNotMatch(terminal.screen.text, /no job control/);
  terminal.send('sleep 1000\r');
  await until('sleep in the foreground', WAIT_MILLISECONDS, () => stand.processes().some(({ program }) => program === 'sleep'));
  terminal.send('\x1a');
  await terminal.waitFor(/Stopped\s+sleep 1000/, WAIT_MILLISECONDS);
  terminal.send('bg; jobs\r');
  await terminal.waitFor(/Running\s+sleep 1000/, WAIT_MILLISECONDS);
  terminal.send('kill %1; wait; echo gone=$((40+2))\r');
  await terminal.waitFor('gone=42', WAIT_MILLISECONDS);
  terminal.send('exit 3\r');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 3);
});

test('a payload’s bare line feed stays one, as full-screen programs need it', async () => {
  await using terminal = run(['sh', '-c', 'stty -opost; printf "one\\ntwo"']);
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.ok(terminal.screen.text.includes('one\ntwo'), terminal.screen.quoted);
});

test('Ctrl-C goes to the payload, whose end is 130', async () => {
  await using terminal = run(['sh', '-c', 'echo up; exec sleep 1000']);
  await terminal.waitFor('up', WAIT_MILLISECONDS);
  terminal.send('\x03');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 130);
});

test('Ctrl-C is the payload’s to handle', async () => {
  await using terminal = run(['sh', '-c', 'trap "echo caught; exit 5" INT; echo up; while :; do sleep 0.1; done']);
  await terminal.waitFor('up', WAIT_MILLISECONDS);
  terminal.send('\x03');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 5);
  assert.match(terminal.screen.text, /caught/);
});

test('Ctrl-\\ ends a payload that ignores all else', async () => {
  await using terminal = run(['sh', '-c', 'trap "" INT TERM HUP QUIT; echo up; while :; do sleep 1; done']);
  await terminal.waitFor('up', WAIT_MILLISECONDS);
  terminal.send('\x1c');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 130);
});

test('Ctrl-D ends the input', async () => {
  await using terminal = run(['sh', '-c', 'echo up; cat; echo end']);
  // The whole line: what is typed is echoed as soon as it comes.
  await terminal.waitFor('up\r\n', WAIT_MILLISECONDS);
  terminal.send('line\r\x04');
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.match(terminal.screen.text, /up\r\nline\r\nline\r\nend\r\n/);
});

test('the caller’s terminal is as it was when the run has ended', async () => {
  const words =
    'stty -a > /tmp/$$.before; bureau run probe/one -- true && stty -a > /tmp/$$.after; cmp /tmp/$$.before /tmp/$$.after && echo SAME; rm /tmp/$$.before /tmp/$$.after';
  await using terminal = stand.shell(words);
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.match(terminal.screen.text, /SAME/);
});

test('a terminal that goes away ends the run', async () => {
  const terminal = run(['sh', '-c', 'trap "" HUP; echo up; sleep 1000']);
  await terminal.waitFor('up', WAIT_MILLISECONDS);
  terminal.hangUp();
  await terminal.exited.catch(() => undefined);
  await stand.assertUnchanged();
});

test('--no-tty at a terminal gives pipes, --tty without one a terminal', async () => {
  await using terminal = stand.terminal(['run', 'probe/one', '--no-tty', '--', 'sh', '-c', 'tty; [ -t 1 ] || echo pipe']);
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.match(terminal.screen.text, /not a tty\r\npipe\r\n/);
  const { stdout, code } = await stand.bureau(['run', 'probe/one', '--tty', '--', 'sh', '-c', '[ -t 0 ] && [ -t 1 ] && echo terminal']);
  assert.equal(code, 0);
  assert.equal(stdout, 'terminal\r\n');
});

test('what a payload writes cannot make the caller’s terminal answer, copy or print', async () => {
  const hostile = String.raw`printf 'a\033]52;c;aGVsbG8=\007b\033P$q"p\033\\c\033[cd\033[5ne\033]10;?\007f\033_Gx\033\\g\033[>ch\033^pm\033\\END'`;
  await using terminal = run(['sh', '-c', hostile]);
  assert.equal(await terminal.exitedWithin(WAIT_MILLISECONDS), 0);
  assert.match(terminal.screen.text, /END/);
  for (const sign of ['\x1b]52', '\x1bP', '\x1b[c', '\x1b[5n', '\x1b_', '\x1b[>c', '\x1b^', '\x1b]10']) {
    assert.ok(!terminal.screen.text.includes(sign), JSON.stringify(sign));
  }
});
