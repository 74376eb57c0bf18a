// SPDX-License-Identifier: Apache-2.0
// bureau-starter for arm64 as far as emulation goes: it has no clone3, which makes the process in its control groups. All before that call
// is run, what follows it is run in parts: the program through a rehearsal, the change of user by a program of the test's around birth.c.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compileForBoth, elfOf, type BothPrograms } from '../arm64.testing.ts';

const UID = 197_000 + (process.pid % 1_000);
const directory = mkdtempSync(join(tmpdir(), 'bureau-starter-arm64-'));
// The change of user is looked at as that user.
chmodSync(directory, 0o755);
let programs: BothPrograms;
before(() => void (programs = compileForBoth(directory, 'starter')));
after(() => rmSync(directory, { recursive: true }));

/** A relay: sends messages of a magic, a number, more bytes and so many descriptors (/dev/null, but 1 is its own); says what came back. */
const RELAY = `
import fcntl, json, os, socket, struct, subprocess, sys
command, messages = json.loads(sys.argv[1])
pair = socket.socketpair()
ours, theirs = (socket.socket(fileno=fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)) for end in pair)
for end in pair: end.close()
os.dup2(theirs.fileno(), 3)
theirs.close()
started = subprocess.Popen(command, pass_fds=[3], stdin=subprocess.DEVNULL)
os.close(3)
nothing = os.open('/dev/null', os.O_RDWR)
for magic, number, behind, count in messages:
  descriptors = [1 if at == 1 else nothing for at in range(count)]
  try: socket.send_fds(ours, [magic.encode() + struct.pack('>I', number) + behind.encode()], descriptors)
  except BrokenPipeError: pass
ours.shutdown(socket.SHUT_WR)
said = b''
try:
  while piece := ours.recv(4096): said += piece
except ConnectionResetError: pass # it ended with words unread
print(json.dumps([said.decode(), started.wait()]))
`;

type Message = readonly [magic: string, number: number, behind: string, descriptors: number];

/** What the relay hears of a program, and how that ends. What the program puts out comes before. */
function relay(program: string, words: readonly string[], messages: readonly Message[]): { output: string; said: string; code: number } {
  const sent = JSON.stringify([[program, ...words], messages]);
  const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', RELAY, sent], { encoding: 'utf8', timeout: 20_000, env: {} });
  assert.equal(stderr, '');
  const lines = stdout.trimEnd().split('\n');
  const [said, code] = JSON.parse(lines.pop() ?? '') as [string, number];
  return { output: lines.join('\n'), said, code };
}

/** The same of the program of this machine and of the one for arm64. */
function alike(words: readonly string[], messages: readonly Message[]): { output: string; said: string; code: number } {
  const here = relay(programs.here, words, messages);
  assert.deepEqual(relay(programs.arm64, words, messages), here, JSON.stringify(messages).slice(0, 100));
  return here;
}

test('arm64: bureau-starter refuses a bad order as on this processor', () => {
  assert.match(elfOf(programs.arm64Binary), /Machine:\s+AArch64/);
  const refusals: readonly (readonly [messages: readonly Message[], said: RegExp])[] = [
    [[['BRS1', 0, '', 1]], /a uid that is not root's/],
    [[['BRS1', 0xffff_ffff, '', 1]], /a uid that is not root's/],
    [[['BRS2', UID, '', 1]], /must be of one build/],
    [[['BRS1', UID, '', 0]], /a control group, found none/],
    [[['BRS1', UID, '', 9]], /at most 8 descriptors/],
    [[['', UID, '', 0]], /found 4 other bytes/],
  ];
  for (const [messages, said] of refusals) {
    const found = alike([], messages);
    assert.match(found.said, said);
    assert.equal(found.code, 125);
  }
  assert.deepEqual(alike([], []), { output: '', said: '', code: 0 }, 'a relay that has gone');
  assert.equal(alike(['rehearse'], []).code, 125);
});

test('arm64: a good order comes as far as clone3, and no further where that is emulated', () => {
  const reason = "cannot make a process in the sandbox's control group: Function not implemented";
  assert.deepEqual(relay(programs.arm64, [], [['BRS1', UID, '', 1]]), { output: '', said: reason, code: 125 });
});

test('arm64: bureau-starter becomes a program of exactly its words and descriptors, and ends as it does', () => {
  const run = (script: string): Message => {
    const words = ['/bin/sh', '-c', script, ''].join('\0');
    return ['BRR1', Buffer.byteLength(words), words, 5];
  };
  const facts = "for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; pwd; tr '\\0' ' ' </proc/$$/environ";
  const session = 'read -r line </proc/$$/stat; [ "$(echo "$line" | cut -d " " -f 6)" = $$ ] && echo its own session; exit 7';
  assert.deepEqual(alike(['rehearsal'], [run(`${facts}; ${session}`)]), {
    output: '0 1 2 3 4 /\nits own session',
    said: '',
    code: 7,
  });
  assert.equal(alike(['rehearsal'], [run('kill -TERM $$')]).code, -15);
  const refusals: readonly (readonly [message: Message, said: RegExp])[] = [
    [['BRR1', 10, '/bin/true\0', 1], /for 0, 1 and 2, found 1/],
    [['BRR1', 9, '/bin/true', 3], /a NUL behind the last word/],
    [['BRR1', 0, '', 3], /1 to 2097152 bytes/],
    [['BRR1', 0xffff_fff0, '', 3], /1 to 2097152 bytes/],
  ];
  for (const [message, said] of refusals) {
    const found = alike(['rehearsal'], [message]);
    assert.match(found.said, said);
    assert.equal(found.code, 125);
  }
});

test('arm64: what bureau-starter does to become its user is done and proven there', () => {
  const program = join(directory, 'become');
  const source = `#include "starter.h"
#include <stdio.h>
#include <unistd.h>
int main(void) { become(${UID}, getppid()); printf("%u %u\\n", getuid(), getgid()); }`;
  const files = ['birth.c', 'receive.c'].map((name) => join(import.meta.dirname, name));
  const flags = ['-std=gnu17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-O2', '-static', `-I${import.meta.dirname}`, '-o', program];
  const compiled = spawnSync('/usr/bin/aarch64-linux-gnu-gcc', [...flags, ...files, '-xc', '-'], { input: source, encoding: 'utf8' });
  assert.equal(compiled.status, 0, compiled.stderr);
  const become = (...powers: string[]): { said: string; output: string } =>
    relay('/usr/bin/setpriv', [...powers, '--', '/usr/bin/qemu-aarch64-static', program], []);
  const inherited = ['--inh-caps=-all,+setuid,+setgid', '--', '/usr/bin/setpriv'];
  assert.deepEqual(become(...inherited, '--no-new-privs', '--bounding-set=-all'), { output: `${UID} ${UID}`, said: '', code: 0 });
  assert.match(become(...inherited, '--no-new-privs').said, /^could gain capability 0$/);
  assert.match(become(...inherited, '--bounding-set=-all').said, /^may gain privileges$/);
  assert.match(become('--inh-caps=-all', '--bounding-set=-setuid').said, /^cannot become uid/);
});
