// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { BureauError, describeError } from '@bureau/core';
import { openPipe } from '@bureau/native';
import type { MountSource, OverlayPlan } from '@bureau/protocol';
import { openMountSources } from './mount-sources.ts';
import { withOverlays } from './overlay-stage.ts';
import type { PayloadStdio } from './payload-stdio.ts';
import type { Starter } from './starter.ts';

const BWRAP = '/usr/bin/bwrap';

/** The first descriptors that bwrap gets behind 0, 1 and 2; the mount sources follow (`MOUNT_SOURCE_FD`). */
const ARGUMENTS_FD = 3;
const SECCOMP_FD = 4;
const STATUS_FD = 5;
const BLOCK_FD = 6;

/** What bwrap is started with. */
export interface BwrapOptions {
  /** bwrap's own options, passed by descriptor so that nobody sees them in `/proc/1/cmdline`. */
  readonly options: readonly string[];
  readonly command: readonly string[];
  /** Directories and files of the host, as the launcher judged them; bwrap gets descriptors. */
  readonly mountSources: readonly MountSource[];
  readonly overlays: readonly OverlayPlan[];
  readonly seccomp: Uint8Array;
  readonly stdio: PayloadStdio;
  /** Makes the process that becomes bwrap; used up by it. */
  readonly starter: Starter;
  /** Stands in for bwrap where a relay rehearses: a command that bwrap's arguments are put behind. */
  readonly standIn?: readonly [program: string, ...args: string[]];
}

/** bwrap, started and standing before the command until it is released. */
export interface BwrapProcess {
  /** Its starter, which ends as bwrap does, and bwrap with it. */
  readonly process: ChildProcess;
  /** Why it was not started at all; empty when it was. */
  readonly notStarted: () => string;
  /** Lines of `--json-status-fd`; ends with bwrap. */
  readonly status: Socket;
  /** Lets the command run. Once. */
  readonly release: () => void;
}

/**
 * bwrap's command line, without the options that go by descriptor. Without a terminal bwrap makes the payload's session; with one the
 * command does (bureau-exec of the launcher, `--terminal`), which says why not bwrap. Pure.
 */
export function bwrapCommandLine(command: readonly string[], terminal: boolean): string[] {
  const numbers = [
    '--args',
    String(ARGUMENTS_FD),
    '--seccomp',
    String(SECCOMP_FD),
    '--json-status-fd',
    String(STATUS_FD),
    '--block-fd',
    String(BLOCK_FD),
  ];
  return [...numbers, '--die-with-parent', ...(terminal ? [] : ['--new-session']), '--', ...command];
}

/**
 * Starts bwrap with exactly its descriptors, an empty environment and a session of its own (without a controlling terminal). A start that
 * fails shows as the process's end. Throws `mount_source_changed` when a mount source is not the launcher's, `start_failed` when the starter is gone.
 */
export function spawnBwrap(options: BwrapOptions): BwrapProcess {
  const { stdio, starter } = options;
  const sources = openMountSources(options.mountSources);
  const [words, seccomp, status] = [openPipe(), openPipe(), openPipe()];
  const block = openGate();
  const theirs = [words.read, seccomp.read, status.write, block.wait, ...sources];
  const [program, ...before] = options.standIn ?? [BWRAP];
  const args = [...before, ...bwrapCommandLine(options.command, stdio.terminal)];
  const line = withOverlays(options.overlays, process.getuid?.() ?? 0, program, args);
  try {
    starter.run([line.program, ...line.args], [...stdio.descriptors, ...theirs]);
  } catch (error) {
    throw new BureauError('start_failed', `bwrap could not be started: ${starter.failure || describeError(error)}`, { cause: error });
  }
  for (const descriptor of theirs) closeSync(descriptor);
  stdio.started();
  feed(words.write, Buffer.from(options.options.map((option) => `${option}\0`).join('')));
  feed(seccomp.write, options.seccomp);
  const output = new Socket({ fd: status.read, readable: true, writable: false });
  return { process: starter.process, notStarted: () => starter.failure, status: output, release: block.release };
}

/**
 * What bwrap waits for. bwrap goes on at the end of file too, so the death of its relay would release it, perhaps with half of its
 * options read: hence it gets an end of the pipe that is itself a writer, and an end of file never comes.
 */
function openGate(): { readonly wait: number; readonly release: () => void } {
  const pipe = openPipe();
  const wait = openSync(`/proc/self/fd/${pipe.read}`, constants.O_RDWR);
  closeSync(pipe.read);
  return {
    wait,
    release: () => {
      writeSync(pipe.write, 'g');
      closeSync(pipe.write);
    },
  };
}

/** Writes all and closes, however slowly it is read; a pipe holds 64 KiB and arguments may be longer. */
function feed(descriptor: number, data: Uint8Array): void {
  quiet(new Socket({ fd: descriptor, readable: false, writable: true })).end(data);
}

/** A bwrap that ended early does not read: its exit tells, not the write. */
function quiet(socket: Socket): Socket {
  return socket.on('error', () => undefined);
}
