// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { BureauError, UsageError } from '@bureau/core';
import { closeOnExecFrom } from '@bureau/native';
import { childFailed, logPosition, type AttemptedStart, type ChildFailure } from './child-failure.ts';
import { RunningChild, type Child, type StartChildOptions } from './child.ts';
import { enteringCgroup } from './enter-cgroup.ts';
import { CLOSED_TO_EXIT_MILLISECONDS, READY_MILLISECONDS } from './limits.ts';
import { watchReadiness } from './readiness.ts';

/** The first descriptor after standard input, output and error. */
const FIRST_OTHER_DESCRIPTOR = 3;
/**
 * Starts a process with exactly the given environment and descriptors. Resolves when it has written `ready\n` to its readiness pipe
 * (without one: when it has been started). Rejects with `child_failed` when it exits, closes the pipe, writes something else, is not
 * ready in time, or the signal aborts: then it and all that it started are gone and its pipes are closed. The error says which
 * (`data.reason`, `data.code`, `data.signal`) and never quotes arguments or environment.
 */
export async function startChild(options: StartChildOptions): Promise<Child> {
  refuseBadReadyFd(options);
  const start: AttemptedStart = {
    command: options.command,
    readyFd: options.readyFd,
    readyMilliseconds: options.readyMilliseconds ?? READY_MILLISECONDS,
    log: logPosition(options.logFile),
  };
  if (options.signal?.aborted === true) throw childFailed({ reason: 'aborted', cause: options.signal.reason }, start);
  const spawned = spawnExactly(options, start);
  if (spawned.pid === undefined) throw await neverStarted(spawned, start);
  const child = new RunningChild(spawned, spawned.pid, options);
  options.onSpawn?.(spawned.pid);
  if (options.readyFd === undefined) return child;
  const failure = await firstOutcome(child, spawned.stdio[options.readyFd] as Readable, options, start);
  if (failure === null) return child;
  await child.stop(0);
  destroyPipes(spawned);
  throw childFailed(failure, start);
}

function refuseBadReadyFd({ readyFd, stdio }: StartChildOptions): void {
  if (readyFd === undefined || stdio[readyFd] === 'pipe') return;
  throw new UsageError('bad_ready_fd', `readyFd ${readyFd} must be the index of a 'pipe' in stdio.`, { data: { readyFd } });
}

function spawnExactly(options: StartChildOptions, start: AttemptedStart): ChildProcess {
  const { command, args } = options.cgroup === undefined ? options : enteringCgroup(options.cgroup, options);
  try {
    options.cgroup?.create();
    if (options.keepDescriptors !== true) closeOnExecFrom(FIRST_OTHER_DESCRIPTOR);
    const spawned = spawn(command, [...args], {
      env: { ...options.env },
      stdio: [...options.stdio],
      detached: options.detached ?? false,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    // Without a listener a failed kill would end this process.
    spawned.on('error', () => undefined);
    return spawned;
  } catch (cause) {
    throw notStarted(cause, start);
  }
}

async function neverStarted(spawned: ChildProcess, start: AttemptedStart): Promise<Error> {
  const cause = await new Promise<unknown>((resolve) => spawned.once('error', resolve));
  destroyPipes(spawned);
  return notStarted(cause, start);
}

/** Node's spawn errors carry the arguments (`spawnargs`), which are nobody's business: only their message goes on. */
function notStarted(cause: unknown, start: AttemptedStart): Error {
  if (cause instanceof BureauError) return childFailed({ reason: 'not_started', cause }, start);
  return childFailed({ reason: 'not_started', cause: new Error(cause instanceof Error ? cause.message : String(cause)) }, start);
}

/** The first of: ready, early exit, pipe closed or misused, time-out, abort. Null is ready. Leaves no listener or timer behind. */
async function firstOutcome(
  child: RunningChild,
  pipe: Readable,
  options: StartChildOptions,
  start: AttemptedStart,
): Promise<ChildFailure | null> {
  using stack = new DisposableStack();
  const outcome = await new Promise<ChildFailure | null>((resolve) => {
    let ended: ChildFailure | undefined;
    let isClosed = false;
    void child.exited.then((exit) => {
      if (stack.disposed) return; // decided long ago
      ended = { reason: 'exited', exit };
      if (isClosed) return resolve(ended);
      // What it wrote may still be unread; its pipe ends when that is read, unless a child of its own holds the pipe open.
      const unread = options.clock.setTimer(CLOSED_TO_EXIT_MILLISECONDS, () => resolve(ended ?? null));
      stack.defer(() => unread.clear());
    });
    const timer = options.clock.setTimer(start.readyMilliseconds, () => resolve({ reason: 'timed_out' }));
    stack.defer(() => timer.clear());
    const onAbort = (): void => resolve({ reason: 'aborted', cause: options.signal?.reason });
    options.signal?.addEventListener('abort', onAbort, { once: true });
    stack.defer(() => options.signal?.removeEventListener('abort', onAbort));
    watchReadiness(pipe, (failure) => {
      if (failure?.reason !== 'pipe_closed') return resolve(failure);
      isClosed = true;
      if (ended !== undefined) return resolve(ended);
      // The pipe of a process that dies ends just before its exit event, which says more.
      const closed = options.clock.setTimer(CLOSED_TO_EXIT_MILLISECONDS, () => resolve(failure));
      stack.defer(() => closed.clear());
    });
  });
  pipe.destroy();
  return outcome;
}

function destroyPipes(spawned: ChildProcess): void {
  for (const stream of spawned.stdio) stream?.destroy();
}
