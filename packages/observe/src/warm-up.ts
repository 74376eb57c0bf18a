// SPDX-License-Identifier: Apache-2.0
import 'node:cluster'; // what a server loads at its first `listen`
import { closeSync, writeSync } from 'node:fs';
import { StageTimes, type Clock } from '@bureau/core';
import { encodeFrame } from '@bureau/ipc';
import { listenNameless, openPipe } from '@bureau/native';
import { openLauncherPipe } from './launcher-pipe.ts';
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
/** As many words as a small sandbox has, so that what handles them is compiled for it. */
const WORDS = 200;

/**
 * Goes through the whole life of a relay twice, with a terminal and without, around a shell that stands in for bwrap: V8 compiles
 * a function at its first call, and a relay that waits has the time. Looks at no path of anybody's and leaves nothing behind. What fails here
 * is told again, to somebody who listens, by the relay that needs it.
 */
export async function warmUpRelay(clock: Clock, starterProgram: string): Promise<void> {
  for (const terminal of [true, false]) await rehearse(terminal, clock, starterProgram).catch(() => undefined);
}

/** One life: the stages that it went through, and its exit code. */
export async function rehearse(
  terminal: boolean,
  clock: Clock,
  starterProgram: string,
): Promise<{ stages: string[]; code: number | null | undefined }> {
  const [instructions, reports, output] = [openPipe(), openPipe(), openPipe()];
  using own = new DisposableStack();
  for (const end of [reports.read, reports.write, output.read, output.write]) own.defer(() => closeSync(end));
  writeSync(instructions.write, Buffer.concat([configFrame(terminal), Buffer.from('g')]));
  closeSync(instructions.write);
  const times = new StageTimes(clock);
  const starter = Starter.rehearsal(starterProgram);
  own.defer(() => starter.dismiss());
  const launcher = openLauncherPipe(instructions.read, reports.write);
  let code: number | null | undefined;
  await runRelay({
    launcher: {
      ...launcher,
      report: (report) => {
        if (report.type === 'exited') ({ code } = report.exit);
        launcher.report(report);
      },
    },
    listener: listenNameless(),
    outputLog: output.write,
    clock,
    logger: SILENT,
    times,
    signal: new AbortController().signal,
    starter,
    standIn: ['/bin/sh', '-c', STAND_IN, 'sh'],
  });
  return { stages: Object.keys(times.milliseconds), code };
}

function configFrame(terminal: boolean): Buffer {
  return encodeFrame({
    v: 1,
    build: 'rehearsal',
    principal: NOBODY,
    options: Array.from({ length: WORDS }, () => '--nothing'),
    command: ['/nonexistent'],
    mountSources: [],
    overlays: [],
    devices: [],
    seccomp: Buffer.alloc(8),
    terminal,
    holdForObserver: false,
    limits: { openFiles: 64, fileSize: 1, processes: 64 },
    // Nothing can lie below it, and nothing is looked up for it.
    exitFile: '/dev/null/exit.json',
    allowedUids: [0],
  });
}
