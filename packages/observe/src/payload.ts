// SPDX-License-Identifier: Apache-2.0
import { BureauError, hasCode, sleep, within, type Clock } from '@bureau/core';
import { spawnBwrap, type BwrapOptions, type BwrapProcess } from './bwrap-process.ts';
import { BwrapStatusReader } from './bwrap-status.ts';
import { DRAIN_MILLISECONDS, GONE_CHECK_MILLISECONDS, KILL_MILLISECONDS, START_MILLISECONDS } from './limits.ts';
import { firstProcessOf, readSandboxProcess, type SandboxProcess } from './sandbox-processes.ts';

/** How bwrap ended. */
export interface PayloadEnd {
  /** The command was executed; otherwise bwrap failed before. */
  readonly ran: boolean;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One sandbox: bwrap, its init, the command in it. Ends when bwrap and init have. */
export class Payload {
  /** Host pid of the sandbox's init. */
  readonly pid: number;
  /** Resolves once nothing of the sandbox runs any more. Never rejects. */
  readonly ended: Promise<PayloadEnd>;
  readonly #bwrap: BwrapProcess;
  readonly #init: SandboxProcess | undefined;
  readonly #terminal: boolean;
  readonly #clock: Clock;
  #over = false;

  private constructor(bwrap: BwrapProcess, pid: number, exited: Promise<PayloadEnd>, terminal: boolean, clock: Clock) {
    this.pid = pid;
    this.#bwrap = bwrap;
    this.#init = readSandboxProcess(pid);
    this.#terminal = terminal;
    this.#clock = clock;
    this.ended = exited.then(async (end) => {
      await this.#initGone();
      this.#over = true;
      return end;
    });
  }

  /** Starts bwrap; resolves when its init stands. Throws `start_failed` when bwrap ended or took too long; nothing is left then. */
  static async start(options: BwrapOptions, clock: Clock): Promise<Payload> {
    const bwrap = spawnBwrap(options);
    const { childPid, exited } = follow(bwrap, clock);
    const pid = await within(clock, START_MILLISECONDS, Promise.race([childPid, exited]));
    if (typeof pid === 'number') return new Payload(bwrap, pid, exited, options.stdio.terminal, clock);
    bwrap.process.kill('SIGKILL');
    await exited;
    throw new BureauError(
      'start_failed',
      pid === undefined
        ? `bwrap made no sandbox within ${START_MILLISECONDS} ms`
        : bwrap.notStarted() || 'bwrap ended before it made a sandbox',
    );
  }

  /** Lets the command run. */
  release(): void {
    this.#bwrap.release();
  }

  /** To the terminal's foreground process group, or to the payload's first process. Throws `not_running`. */
  signal(name: NodeJS.Signals): void {
    const first = this.#over ? undefined : firstProcessOf(this.pid);
    if (first === undefined) throw new BureauError('not_running', `Cannot send ${name}: the payload does not run`);
    send(this.#terminal && first.foreground > 0 ? -first.foreground : first.pid, name);
  }

  /** TERM to the first process and the foreground group (and CONT, for those that stand still); after `graceMilliseconds` {@link kill}. */
  async stop(graceMilliseconds: number): Promise<PayloadEnd> {
    const first = this.#over ? undefined : firstProcessOf(this.pid);
    if (first === undefined || graceMilliseconds === 0) return this.kill();
    const targets = new Set([first.pid, ...(this.#terminal && first.foreground > 0 ? [-first.foreground] : [])]);
    for (const name of ['SIGTERM', 'SIGCONT'] as const) for (const target of targets) send(target, name);
    return (await this.#endedWithin(graceMilliseconds)) ?? this.kill();
  }

  /** KILL of the sandbox's init, which takes every process of its pid namespace along; bwrap itself when that does not help. */
  async kill(): Promise<PayloadEnd> {
    if (this.#initStands()) send(this.pid, 'SIGKILL');
    else this.#bwrap.process.kill('SIGKILL');
    const end = await this.#endedWithin(KILL_MILLISECONDS);
    if (end !== undefined) return end;
    this.#bwrap.process.kill('SIGKILL');
    return this.ended;
  }

  async #endedWithin(milliseconds: number): Promise<PayloadEnd | undefined> {
    return within(this.#clock, milliseconds, this.ended);
  }

  /** The pid still means the process that bwrap told us. */
  #initStands(): boolean {
    const now = readSandboxProcess(this.pid);
    return now !== undefined && !now.zombie && now.startTime === this.#init?.startTime;
  }

  /** bwrap is gone and took init along (`--die-with-parent`), which happens a moment later; every other process goes before init. */
  async #initGone(): Promise<void> {
    const deadline = this.#clock.monotonic() + DRAIN_MILLISECONDS;
    while (this.#initStands() && this.#clock.monotonic() < deadline) {
      send(this.pid, 'SIGKILL');
      await sleep(this.#clock, GONE_CHECK_MILLISECONDS);
    }
  }
}

/** bwrap's two messages: the pid of init (never, when there is none) and the end. */
function follow(bwrap: BwrapProcess, clock: Clock): { childPid: Promise<number>; exited: Promise<PayloadEnd> } {
  const childPid = Promise.withResolvers<number>();
  const exited = Promise.withResolvers<PayloadEnd>();
  const reader = new BwrapStatusReader();
  let exitCode: number | undefined;
  bwrap.status.setEncoding('utf8');
  bwrap.status.on('data', (piece: string) => {
    for (const status of reader.push(piece)) {
      if (status.childPid !== undefined) childPid.resolve(status.childPid);
      exitCode ??= status.exitCode;
    }
  });
  bwrap.status.on('error', () => undefined);
  const told = new Promise<void>((resolve) => bwrap.status.once('close', resolve));
  const finish = async (code: number | null, signal: NodeJS.Signals | null): Promise<void> => {
    // What bwrap wrote before its end is in the pipe; init may hold the other end a moment longer.
    await within(clock, KILL_MILLISECONDS, told);
    bwrap.status.destroy();
    exited.resolve(exitCode === undefined ? { ran: false, code, signal } : { ran: true, code: exitCode, signal: null });
  };
  bwrap.process.once('exit', (code, signal) => void finish(code, signal));
  bwrap.process.once('error', () => void finish(127, null));
  return { childPid: childPid.promise, exited: exited.promise };
}

/** Sends a signal to a process or (negative) a group; that it has just ended is no error. */
function send(target: number, name: NodeJS.Signals): void {
  try {
    process.kill(target, name);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}
