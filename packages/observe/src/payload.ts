// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { BureauError, hasCode, sleep, within, type Clock } from '@bureau/core';
import { BwrapStatusReader } from './bwrap-status.ts';
import { DRAIN_MILLISECONDS, GONE_CHECK_MILLISECONDS, KILL_MILLISECONDS } from './limits.ts';
import type { TakeOver } from './take-over.ts';
import { firstProcessOf, readSandboxProcess, type SandboxProcess } from './sandbox-processes.ts';

/** How bwrap ended. */
export interface PayloadEnd {
  /** The command was executed; otherwise bwrap failed before. */
  readonly ran: boolean;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a relay has taken over of a sandbox, and its starter, which ends as bwrap does, and bwrap with it. */
export type TakenSandbox = Pick<TakeOver, 'status' | 'said' | 'init' | 'stdio'> & { readonly process: ChildProcess };

/** One sandbox: bwrap, its init, the command in it. Ends when bwrap and init have. */
export class Payload {
  /** Host pid of the sandbox's init; undefined when there never was one. */
  readonly pid: number | undefined;
  /** Resolves once nothing of the sandbox runs any more. Never rejects. */
  readonly ended: Promise<PayloadEnd>;
  readonly #bwrap: ChildProcess;
  readonly #init: SandboxProcess | undefined;
  readonly #terminal: boolean;
  readonly #clock: Clock;
  #over = false;

  constructor(taken: TakenSandbox, clock: Clock) {
    this.pid = taken.init;
    this.#bwrap = taken.process;
    this.#init = taken.init === undefined ? undefined : readSandboxProcess(taken.init);
    this.#terminal = 'terminal' in taken.stdio;
    this.#clock = clock;
    this.ended = endOf(taken, clock).then(async (end) => {
      await this.#initGone();
      this.#over = true;
      return end;
    });
  }

  /** To the terminal's foreground process group, or to the payload's first process. Throws `not_running`. */
  signal(name: NodeJS.Signals): void {
    const first = this.#first();
    if (first === undefined) throw new BureauError('not_running', `Cannot send ${name}: the payload does not run`);
    send(this.#terminal && first.foreground > 0 ? -first.foreground : first.pid, name);
  }

  /** TERM to the first process and the foreground group (and CONT, for those that stand still); after `graceMilliseconds` {@link kill}. */
  async stop(graceMilliseconds: number): Promise<PayloadEnd> {
    const first = this.#first();
    if (first === undefined || graceMilliseconds === 0) return this.kill();
    const targets = new Set([first.pid, ...(this.#terminal && first.foreground > 0 ? [-first.foreground] : [])]);
    for (const name of ['SIGTERM', 'SIGCONT'] as const) for (const target of targets) send(target, name);
    return (await this.#endedWithin(graceMilliseconds)) ?? this.kill();
  }

  /** KILL of the sandbox's init, which takes every process of its pid namespace along; bwrap itself when that does not help. */
  async kill(): Promise<PayloadEnd> {
    if (!this.#killInit()) this.#bwrap.kill('SIGKILL');
    const end = await this.#endedWithin(KILL_MILLISECONDS);
    if (end !== undefined) return end;
    this.#bwrap.kill('SIGKILL');
    return this.ended;
  }

  async #endedWithin(milliseconds: number): Promise<PayloadEnd | undefined> {
    return within(this.#clock, milliseconds, this.ended);
  }

  #first(): SandboxProcess | undefined {
    return this.#over || this.pid === undefined ? undefined : firstProcessOf(this.pid);
  }

  /** False when there is none: the pid must still mean the process that bwrap named. */
  #killInit(): boolean {
    if (this.pid === undefined) return false;
    const now = readSandboxProcess(this.pid);
    if (now === undefined || now.zombie || now.startTime !== this.#init?.startTime) return false;
    send(this.pid, 'SIGKILL');
    return true;
  }

  /** bwrap is gone and took init along (`--die-with-parent`), which happens a moment later; every other process goes before init. */
  async #initGone(): Promise<void> {
    const deadline = this.#clock.monotonic() + DRAIN_MILLISECONDS;
    while (this.#killInit() && this.#clock.monotonic() < deadline) await sleep(this.#clock, GONE_CHECK_MILLISECONDS);
  }
}

/** How bwrap ended: by its own words, or as its starter did. */
async function endOf({ process, status, said }: TakenSandbox, clock: Clock): Promise<PayloadEnd> {
  const reader = new BwrapStatusReader();
  let exitCode: number | undefined;
  const hear = (piece: string): void => {
    for (const each of reader.push(piece)) exitCode ??= each.exitCode;
  };
  hear(said);
  const words = new Socket({ fd: status, readable: true, writable: false }).setEncoding('utf8');
  words.on('data', hear);
  words.on('error', () => undefined);
  const told = new Promise<void>((resolve) => words.once('close', resolve));
  const { code, signal } = await exitOf(process);
  // What bwrap wrote before its end is in the pipe; init may hold the other end a moment longer.
  await within(clock, KILL_MILLISECONDS, told);
  words.destroy();
  return exitCode === undefined ? { ran: false, code, signal } : { ran: true, code: exitCode, signal: null };
}

/** It may have ended before anybody asked. */
function exitOf(process: ChildProcess): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
  const { exitCode: code, signalCode: signal } = process;
  if (code !== null || signal !== null) return Promise.resolve({ code, signal });
  return new Promise((resolve) => {
    process.once('exit', (code, signal) => resolve({ code, signal }));
    process.once('error', () => resolve({ code: 127, signal: null }));
  });
}

/** Sends a signal to a process or (negative) a group; that it has just ended is no error. */
function send(target: number, name: NodeJS.Signals): void {
  try {
    process.kill(target, name);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}
