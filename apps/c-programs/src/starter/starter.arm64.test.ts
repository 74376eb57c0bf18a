// SPDX-License-Identifier: Apache-2.0
// bureau-starter for arm64 as far as emulation goes: it has no clone3, which makes the process in its control groups. All before that call
// is run; what follows it is run in parts: what it makes of a plan in rehearsals (plan.arm64.test.ts), the change of user by a program of the
// test's around birth.c.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { sendDescriptors } from '@bureau/native';
import { compileForBoth, elfOf, EMULATOR, type BothPrograms } from '../arm64.testing.ts';
import { orderOf } from './rehearsal.testing.ts';

const UID = 197_000 + (process.pid % 1_000);
const directory = mkdtempSync(join(tmpdir(), 'bureau-starter-arm64-'));
// The change of user is looked at as that user.
chmodSync(directory, 0o755);
let programs: BothPrograms;
before(() => void (programs = compileForBoth(directory, 'starter')));
after(() => rmSync(directory, { recursive: true }));

/** The same of the program of this machine and of the one for arm64. */
async function alike<Found>(find: (program: string) => Promise<Found>, what = ''): Promise<Found> {
  const here = await find(programs.here);
  assert.deepEqual(await find(programs.arm64), here, what);
  return here;
}

/** A magic, a number, and so many descriptors of /dev/null. */
type Order = readonly [magic: string, number: number, descriptors: number];

/** What a starter makes of orders that come to nothing: what it says on standard error, what it reports, how it ends. */
async function refused(program: string, words: readonly string[], orders: readonly Order[], relayGoes = false): Promise<unknown> {
  const stdio = ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', 'pipe'] as const;
  const starter = spawn(program, words, { stdio: [...stdio], env: {}, cwd: '/', timeout: 20_000, killSignal: 'SIGKILL' });
  const [relay, launcher, reports] = starter.stdio.slice(3) as [Socket, Socket, Socket];
  // It ends with words unread.
  for (const each of [relay, launcher, reports]) each.on('error', () => undefined);
  const ended = once(starter, 'exit');
  const nothing = openSync('/dev/null', 'r+');
  for (const [magic, number, count] of orders) {
    if (count === 0) launcher.write(orderOf(magic, number));
    else sendDescriptors(launcher, orderOf(magic, number), Array<number>(count).fill(nothing));
  }
  closeSync(nothing);
  if (relayGoes) relay.destroy();
  else launcher.end();
  const [said, reported, [code]] = await Promise.all([text(starter.stderr!), text(reports), ended]);
  for (const each of [relay, launcher]) each.destroy();
  return { said, reported, code: code as unknown };
}

test('arm64: bureau-starter refuses a bad order as on this processor', async () => {
  assert.match(elfOf(programs.arm64Binary), /Machine:\s+AArch64/);
  const first: readonly (readonly [order: Order, said: string])[] = [
    [['BRO1', 0, 1], "expected a uid that is not root's"],
    [['BRO1', 0xffff_ffff, 1], "expected a uid that is not root's"],
    [['BRO2', UID, 1], 'expected a message "BRO1", found 8 other bytes: launcher and starter must be of one build'],
    [['BRO1', UID, 0], 'expected the descriptor of a control group, found none'],
    [['BRO1', UID, 9], 'expected at most 8 descriptors'],
    [['', UID, 0], 'expected a message "BRO1", found 4 other bytes: launcher and starter must be of one build'],
  ];
  for (const [order, said] of first) {
    const found = await alike((program) => refused(program, [], [order]), said);
    assert.deepEqual(found, { said: `bureau-starter: ${said}\n`, reported: 'w', code: 125 });
  }
  const second: readonly (readonly [order: Order, said: string])[] = [
    [['BRO2', 100, 3], 'expected a message "BRO1", found 8 other bytes: launcher and starter must be of one build'],
    [['BRO1', 100, 2], 'expected the descriptors of a log, a socket and an output log, found 2'],
    [['BRO1', 100, 0], 'expected the descriptors of a log, a socket and an output log, found 0'],
    [['BRO1', 100, 4], 'expected at most 3 descriptors'],
  ];
  for (const [order, said] of second) {
    const found = await alike((program) => refused(program, ['rehearsal'], [order]), said);
    assert.deepEqual(found, { said: `bureau-starter: ${said}\n`, reported: '', code: 125 });
  }
  const found = await alike((program) => refused(program, ['rehearse'], []));
  assert.deepEqual(found, { said: 'bureau-starter: expected no argument, or "rehearsal"\n', reported: '', code: 125 });
});

test('arm64: bureau-starter ends without a word with its launcher or its relay, as on this processor', async () => {
  for (const relayGoes of [false, true]) {
    const waits = await alike((program) => refused(program, [], [], relayGoes));
    assert.deepEqual(waits, { said: '', reported: 'w', code: 0 });
    const rehearses = await alike((program) => refused(program, ['rehearsal'], [], relayGoes));
    assert.deepEqual(rehearses, { said: '', reported: '', code: 0 });
  }
});

test('arm64: a good order comes as far as clone3, and no further where that is emulated', async () => {
  const said = "bureau-starter: cannot make a process in the sandbox's control group: Function not implemented\n";
  assert.deepEqual(await refused(programs.arm64, [], [['BRO1', UID, 1]]), { said, reported: 'w', code: 125 });
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
  const become = (...powers: string[]): { code: number | null; output: string; said: string } => {
    const words = [...powers, '--', EMULATOR, program];
    const { status, stdout, stderr } = spawnSync('/usr/bin/setpriv', words, { encoding: 'utf8', timeout: 20_000, env: {} });
    return { code: status, output: stdout, said: stderr };
  };
  const refuses = (said: string): object => ({ code: 125, output: '', said: `bureau-starter: ${said}\n` });
  const inherited = ['--inh-caps=-all,+setuid,+setgid', '--', '/usr/bin/setpriv'];
  assert.deepEqual(become(...inherited, '--no-new-privs', '--bounding-set=-all'), { code: 0, output: `${UID} ${UID}\n`, said: '' });
  assert.deepEqual(become(...inherited, '--no-new-privs'), refuses('could gain capability 0'));
  assert.deepEqual(become(...inherited, '--bounding-set=-all'), refuses('may gain privileges'));
  assert.deepEqual(become('--inh-caps=-all', '--bounding-set=-setuid'), refuses(`cannot become uid ${UID}: Operation not permitted`));
});
