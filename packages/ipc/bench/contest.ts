// SPDX-License-Identifier: Apache-2.0
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Contest } from '../../../build/bench/measure.ts';

/** The longest that a child may take to start or to answer a round. */
const CHILD_MILLISECONDS = 60_000;
const TASKSET = '/usr/bin/taskset';

/** What one side runs: the kind of client, and the kind of server when it needs one. */
export interface Side {
  readonly kind: string;
  readonly server?: string;
}

/**
 * Where the processes run. `one-cpu`: all on the same one, so that a round trip does not depend on where the scheduler happened to put
 * each process (waking another processor costs several times the work that is measured). It is the stricter choice: all of our own work
 * counts in full.
 */
export type Placement = 'one-cpu' | 'any-cpu';

/** Starts client and server processes for both sides. */
export async function contest(ours: Side, baseline: Side, placement: Placement): Promise<Contest> {
  const directory = mkdtempSync(join(tmpdir(), 'bureau-bench-'));
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    const gone = children.filter((child) => child.exitCode === null && child.signalCode === null).map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(gone);
    rmSync(directory, { recursive: true });
  };
  const begin = async (side: Side): Promise<() => Promise<number>> => {
    const path = join(directory, `${side.kind}.sock`);
    if (side.server !== undefined) await start(children, 'server.main.ts', [side.server, path], placement);
    const client = await start(children, 'client.main.ts', [side.kind, path], placement);
    return async () => {
      const answer = nextMessage(client);
      client.send('round');
      return Number(await answer);
    };
  };
  try {
    return { ours: await begin(ours), baseline: await begin(baseline), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(children: ChildProcess[], file: string, args: readonly string[], placement: Placement): Promise<ChildProcess> {
  const cpu = placement === 'one-cpu' ? lastAllowedCpu() : undefined;
  const pinned = cpu === undefined ? {} : { execPath: TASKSET, execArgv: ['--cpu-list', cpu, process.execPath] };
  const child = fork(join(import.meta.dirname, file), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], ...pinned });
  children.push(child);
  await nextMessage(child);
  return child;
}

/** The highest processor that this process may use (the lowest ones tend to serve interrupts), when it can be chosen. */
function lastAllowedCpu(): string | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return existsSync(TASKSET) ? list?.split(/[,-]/).at(-1) : undefined;
}

/** The next message of a child; rejects when it ends or is silent for too long. */
function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error, message?: unknown): void => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit).off('error', settle);
      if (error === undefined) resolve(message);
      else reject(error);
    };
    const onMessage = (message: unknown): void => settle(undefined, message);
    const onExit = (code: number | null): void => settle(new Error(`a benchmark process ended early with ${String(code)}`));
    const timer = setTimeout(() => settle(new Error(`a benchmark process was silent for ${CHILD_MILLISECONDS} ms`)), CHILD_MILLISECONDS);
    child.on('message', onMessage).on('exit', onExit).on('error', settle);
  });
}
