// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { BureauError, sleep, type Clock } from '@bureau/core';
import type { Cgroup } from './cgroup.ts';
import { isAlive, killTree, treeMembers, type ProcessIdentity } from './kill-tree.ts';
import { KILL_LOOK_MILLISECONDS, KILL_WAIT_MILLISECONDS } from './limits.ts';
import { readProcess, type ProcessEntry } from './process-table.ts';

/** How a process ended: one of the two is null. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What `startChild` starts. */
export interface StartChildOptions {
  /** Absolute path of the program. */
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment; nothing of the parent's is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /**
   * The child's descriptors 0, 1, 2, …: one of the caller's (stays the caller's to close), 'ignore' (`/dev/null`; above 2 nothing at all),
   * or a pipe. It gets no others.
   */
  readonly stdio: readonly (number | 'ignore' | 'pipe')[];
  /**
   * Makes the child the leader of a session of its own: out of reach of the terminal's Ctrl-C, and its orphans are found when it is
   * stopped. With neither this nor a `cgroup` only descendants whose parents still live are found.
   */
  readonly detached?: boolean;
  /** Index of a pipe in `stdio` to which the child writes `ready\n`, or why it cannot start (`sayFailed`), and nothing else. */
  readonly readyFd?: number;
  /** Default 15 s. */
  readonly readyMilliseconds?: number;
  /** A group that the child enters before it runs; made when missing. Stop then kills all that is in it, so give it to one child only. */
  readonly cgroup?: Cgroup;
  /** File that the child's output goes to: a failed start quotes the last 2 KiB that were added. */
  readonly logFile?: string;
  /** True: do not mark this process's other descriptors (from 3) close-on-exec before the spawn. */
  readonly keepDescriptors?: boolean;
  /** Told the process id as soon as there is one: a subreaper must know its own children before they are ready. */
  readonly onSpawn?: (pid: number) => void;
  readonly clock: Clock;
  /** Cancels the start; no effect once it has succeeded. */
  readonly signal?: AbortSignal;
}

/** A started process that is ours to stop. */
export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Settles when the process itself has ended (what it started may live on); never rejects. */
  readonly exited: Promise<ChildExit>;
  /**
   * Ends the process and everything that it started: SIGTERM to the process alone, at most `graceMilliseconds` for it to end, then
   * SIGKILL to all that is left (its control group; without one its descendants and its session). Resolves when they are gone. Another
   * call waits for the first. Throws `child_unkillable` when something survives SIGKILL for 5 s.
   */
  stop(graceMilliseconds: number): Promise<ChildExit>;
}

/** The clock's timers do not keep this process alive, and once the child has ended nothing else may: a stop is finished first. */
function keptAlive(): Disposable {
  const timer = setInterval(() => undefined, KILL_WAIT_MILLISECONDS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** The one implementation of Child; made by `startChild` right after the spawn. */
export class RunningChild implements Child {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly exited: Promise<ChildExit>;
  readonly #identity: ProcessIdentity;
  readonly #cgroup: Cgroup | undefined;
  readonly #clock: Clock;
  #stopping: Promise<ChildExit> | undefined;

  constructor(process: ChildProcess, pid: number, options: Pick<StartChildOptions, 'cgroup' | 'clock'>) {
    this.pid = pid;
    this.process = process;
    // Before the event loop turns nobody has waited for the child, so it is there even when it has ended already.
    this.#identity = readProcess(pid) ?? { pid, startTime: Number.NaN };
    this.#cgroup = options.cgroup;
    this.#clock = options.clock;
    this.exited = new Promise((resolve) => process.once('exit', (code, signal) => resolve({ code, signal })));
  }

  stop(graceMilliseconds: number): Promise<ChildExit> {
    this.#stopping ??= this.#stop(graceMilliseconds);
    return this.#stopping;
  }

  async #stop(graceMilliseconds: number): Promise<ChildExit> {
    using _ = keptAlive();
    const before = this.#cgroup === undefined ? treeMembers(this.#identity) : [];
    if (graceMilliseconds > 0 && this.#isRunning()) {
      this.process.kill('SIGTERM');
      this.process.kill('SIGCONT'); // a stopped process would not see it
      await this.#within(graceMilliseconds, () => this.exited);
    }
    const killed = this.#killAll(before);
    const gone = await this.#within(KILL_WAIT_MILLISECONDS, async (signal) => {
      await this.#cgroup?.whenEmpty(signal);
      while (killed.some(isAlive)) await sleep(this.#clock, KILL_LOOK_MILLISECONDS, signal);
      await this.exited;
    });
    // The kernel drops the last event of a group that is removed at once: what counts is what lives.
    if (!gone && !(this.#cgroup !== undefined && !this.#isRunning() && !this.#cgroup.populated())) throw this.#unkillable(killed);
    return this.exited;
  }

  #isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  #killAll(before: readonly ProcessEntry[]): ProcessEntry[] {
    if (this.#cgroup === undefined) return killTree(this.#identity, before);
    this.#cgroup.kill();
    // Not in its group yet: killed between fork and entry.
    if (this.#isRunning()) this.process.kill('SIGKILL');
    return [];
  }

  /** True when `work` ended within the time; its signal is aborted otherwise. */
  async #within(milliseconds: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<boolean> {
    const timeout = new AbortController();
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(milliseconds, () => {
        timeout.abort();
        resolve(false);
      });
      work(timeout.signal)
        .then(
          () => resolve(true),
          (error: unknown) => (timeout.signal.aborted ? resolve(false) : reject(error)),
        )
        .finally(() => timer.clear());
    });
  }

  #unkillable(killed: readonly ProcessEntry[]): BureauError {
    const left = this.#cgroup?.pids() ?? killed.filter(isAlive).map((entry) => entry.pid);
    return new BureauError(
      'child_unkillable',
      `Processes ${left.join(' ') || String(this.pid)} still live ${KILL_WAIT_MILLISECONDS} ms after SIGKILL: look at /proc/PID/wchan for what they wait for.`,
      { data: { pids: left.map(String) } },
    );
  }
}
