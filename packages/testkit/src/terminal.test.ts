// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTerminal } from './terminal.ts';

const WAIT = 10_000;

test('startTerminal gives a terminal of the wanted size and the exit code', async () => {
  await using terminal = startTerminal('/bin/sh', ['-c', 'stty size; [ -t 0 ] && [ -t 2 ] && tty; exit 9'], { columns: 91, rows: 17 });
  assert.equal(await terminal.exitedWithin(WAIT), 9);
  assert.match(terminal.screen.text, /^17 91\r\n\/dev\/pts\/\d+\r\n$/);
});

test('startTerminal types, resizes, and tells a signal as 128+n', async () => {
  await using terminal = startTerminal('/bin/bash', [
    '-c',
    'trap "stty size" WINCH; echo up; read -r line; echo "got $line"; while :; do read -t 0.1; done',
  ]);
  await terminal.waitFor('up', WAIT);
  terminal.send('hello\r');
  await terminal.waitFor('got hello', WAIT);
  terminal.resize(120, 40);
  await terminal.waitFor('40 120', WAIT);
  process.kill(await terminal.pid, 'SIGKILL');
  assert.equal(await terminal.exitedWithin(WAIT), 137);
});

test('startTerminal: Ctrl-C ends the foreground, hangUp sends SIGHUP, disposing kills', async () => {
  await using interrupted = startTerminal('/bin/sh', ['-c', 'echo up; exec sleep 1000']);
  await interrupted.waitFor('up', WAIT);
  interrupted.send('\x03');
  assert.equal(await interrupted.exitedWithin(WAIT), 130);
  await using closed = startTerminal('/bin/sh', ['-c', 'echo up; exec sleep 1000']);
  await closed.waitFor('up', WAIT);
  closed.hangUp();
  assert.equal(await closed.exitedWithin(WAIT), 129);
  const stubborn = startTerminal('/bin/sh', ['-c', 'trap "" HUP INT TERM; echo up; while :; do sleep 1; done']);
  await stubborn.waitFor('up', WAIT);
  await stubborn[Symbol.asyncDispose]();
  assert.equal(await stubborn.exited, 137);
});

test('waitFor looks only behind its mark, and fails with what there was', async () => {
  await using terminal = startTerminal('/bin/sh', ['-c', 'echo one; read -r line; echo two']);
  await terminal.waitFor('one', WAIT);
  const mark = terminal.mark();
  await assert.rejects(terminal.waitFor('one', 50, mark), { code: 'deadline_exceeded' });
  terminal.send('\r');
  await terminal.waitFor('two', WAIT, mark);
  await assert.rejects(terminal.waitFor('three', WAIT), { code: 'output_ended' });
});
