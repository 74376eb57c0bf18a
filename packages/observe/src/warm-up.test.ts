// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Clock } from '@bureau/core';
import { firstProcessOf, readSandboxProcess } from './sandbox-processes.ts';
import { compileStarter } from './testing/compile-programs.ts';
import { rehearse, warmUpRelay } from './warm-up.ts';

const directory = mkdtempSync(join(tmpdir(), 'bureau-warm-up-'));
const starter = join(directory, 'bureau-starter');
compileStarter(starter);
after(() => rmSync(directory, { recursive: true }));

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds).unref();
    return { clear: () => clearTimeout(timer) };
  },
};

test('rehearse goes through a whole life, with a terminal and without', async () => {
  for (const terminal of [true, false]) {
    const { stages, code } = await rehearse(terminal, clock, starter);
    assert.deepEqual(stages, ['configured', 'serving', 'ended', 'reported'], `terminal ${terminal}`);
    assert.equal(code, 0);
  }
});

for (const [how, program] of [
  ['', starter],
  [' when its starter ends without a word', '/bin/true'],
] as const)
  test(`warmUpRelay leaves no descriptor, child or timer behind${how}`, () => leavesNothing(program));

async function leavesNothing(program: string): Promise<void> {
  // A handle that is being closed is gone some turns later.
  const nothingOpen = (): boolean => process.getActiveResourcesInfo().every((name) => /^(PipeWrap|TTYWrap|Timeout)$/.test(name));
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  await warmUpRelay(clock, program);
  await eventually(nothingOpen);
  const before = descriptors();
  for (let round = 0; round < 5; round += 1) await warmUpRelay(clock, program);
  await eventually(nothingOpen);
  // What was just closing when they were counted is not there now.
  await eventually(() => descriptors() <= before);
}

test('what stands in for bwrap ends with its relay, however that ends', async () => {
  const rehearsing = `const { warmUpRelay } = await import(${JSON.stringify(import.meta.resolve('./warm-up.ts'))});
    const clock = { now: Date.now, monotonic: () => performance.now(), setTimer: (ms, call) => { const t = setTimeout(call, ms); return { clear: () => clearTimeout(t) }; } };
    for (;;) await warmUpRelay(clock, ${JSON.stringify(starter)});`;
  const relay = spawn(process.execPath, ['--input-type=module', '--eval', rehearsing], { stdio: 'ignore' });
  await once(relay, 'spawn');
  const ended = once(relay, 'exit');
  const waiting = await stoppedAtGate(relay.pid!);
  relay.kill('SIGKILL');
  await ended;
  await eventually(() => waiting.every((pid) => !lives(pid)));
});

/** Stops `relay` at a moment at which its stand-in waits to be released; the stand-in and what it waits with. */
async function stoppedAtGate(relay: number): Promise<[number, number]> {
  for (;;) {
    const found = await eventually(() => gate(relay));
    process.kill(relay, 'SIGSTOP');
    // One that had been released before that ends meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (found.every(lives)) return found;
    process.kill(relay, 'SIGCONT');
  }
}

/** The shell and the program that it waits for; undefined while it does not wait. */
function gate(relay: number): [number, number] | undefined {
  const starting = firstProcessOf(relay);
  const shell = starting === undefined ? undefined : firstProcessOf(starting.pid);
  const waits = shell === undefined ? undefined : firstProcessOf(shell.pid);
  return shell === undefined || waits === undefined ? undefined : [shell.pid, waits.pid];
}

function lives(pid: number): boolean {
  return readSandboxProcess(pid)?.zombie === false;
}

async function eventually<Found>(look: () => Found): Promise<NonNullable<Found>> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== null && found !== false) return found;
    assert.ok(performance.now() < deadline, 'not within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
