// SPDX-License-Identifier: Apache-2.0
import 'node:cluster'; // what a server loads at its first `listen`
import { closeSync, writeSync } from 'node:fs';
import { StageTimes, type Clock } from '@bureau/core';
import { encodeFrame } from '@bureau/ipc';
import { listenNameless, openPipe, openSocketPair, receiveBytes, sendDescriptors } from '@bureau/native';
import { encodeStartPlan } from '@bureau/protocol';
import { runRelay } from './relay.ts';
import { Starter } from './starter.ts';

/**
 * Does what bwrap does as far as its relay sees it, and runs nothing: names a child, waits for its release, puts something out, ends.
 * `head` is what ends after one byte. bwrap's end of the gate is a writer of it too, so that it outwaits a relay that has gone, until it
 * is killed with it; nobody kills this one, so it keeps a reader only and ends with its relay.
 */
const STAND_IN = [
  'exec 7</proc/self/fd/6 6<&-',
  `printf '{ "child-pid": %s }\\n' $$ >&5`,
  '/usr/bin/head -c 1 <&7 >/dev/null',
  'echo',
  `printf '{ "exit-code": 0 }\\n' >&5`,
].join('; ');
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };
const NOBODY = 'nobody/nothing';

/**
 * Goes through the whole life of a relay twice, with a terminal and without, around a shell that stands in for bwrap: V8 compiles
 * a function at its first call, and a relay that waits has the time. Looks at no path of anybody's and leaves nothing behind. What fails here
 * is told again, to somebody who listens, by the relay that needs it.
 */
export async function warmUpRelay(clock: Clock, starterProgram: string): Promise<void> {
  for (const terminal of [true, false]) await rehearse(terminal, clock, starterProgram).catch(() => undefined);
}

/** One life, with this process as its launcher too: the stages that it went through, and its exit code. */
export async function rehearse(
  terminal: boolean,
  clock: Clock,
  starterProgram: string,
): Promise<{ stages: string[]; code: number | null | undefined }> {
  const [[launcher, instructions], [heard, reports], output] = [openSocketPair(), openSocketPair(), openPipe()];
  using own = new DisposableStack();
  for (const end of [heard, output.read, output.write]) own.defer(() => closeSync(end));
  const starter = Starter.rehearsal(starterProgram, { instructions, reports });
  own.defer(() => starter.dismiss());
  // The starter's alone: its end is heard then.
  for (const end of [instructions, reports]) closeSync(end);
  try {
    sendPlan(launcher, planOf(terminal), output.write);
    // Its word that the sandbox stands.
    receiveBytes(heard, receiveBytes(heard, 4).readUInt32BE(0));
    writeSync(launcher, 'g');
  } finally {
    closeSync(launcher);
  }
  starter.waitForTurn();
  const taken = starter.takeOver();
  closeSync(taken.log);
  own.defer(() => closeSync(taken.outputLog));
  const times = new StageTimes(clock);
  let code: number | null | undefined;
  await runRelay({
    taken,
    starter: starter.process,
    report: (report) => {
      if (report.type === 'exited') ({ code } = report.exit);
    },
    clock,
    logger: SILENT,
    times,
    signal: new AbortController().signal,
  });
  return { stages: Object.keys(times.milliseconds), code };
}

/** As a launcher orders it (`encodeOrder` of packages/process), with one pipe for both logs. */
function sendPlan(launcher: number, plan: Uint8Array, log: number): void {
  const order = Buffer.from('BRO1\0\0\0\0');
  order.writeUInt32BE(plan.length, 4);
  const listener = listenNameless();
  try {
    sendDescriptors(launcher, order, [log, listener, log]);
  } finally {
    closeSync(listener);
  }
  writeSync(launcher, plan);
}

function planOf(terminal: boolean): Uint8Array {
  return encodeStartPlan({
    line: ['/bin/sh', '-c', STAND_IN],
    options: [],
    seccomp: Buffer.alloc(8),
    mountSources: [],
    devices: [],
    terminal,
    holdForObserver: false,
    relay: encodeFrame({
      v: 1,
      build: 'rehearsal',
      principal: NOBODY,
      holdForObserver: false,
      // Nothing can lie below it, and nothing is looked up for it.
      exitFile: '/dev/null/exit.json',
      allowedUids: [0],
    }),
  });
}
