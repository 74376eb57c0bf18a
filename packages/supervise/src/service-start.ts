// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { BureauError, type Clock } from '@bureau/core';
import { openLogFile } from '@bureau/files';
import { listenUnix } from '@bureau/native';
import { startChild, type Cgroup, type Child, type ChildExit, type PoolMember, type WarmPool } from '@bureau/process';
import { READY_MILLISECONDS } from './limits.ts';
import { isPortOpen, portOpen } from './port-open.ts';
import type { ServiceDefinition } from './service-definition.ts';

/** Where a service is started. */
export interface ServiceStart {
  readonly clock: Clock;
  /** Made when it is not there; a service that is ready `by: 'order'` lives in its own. */
  readonly cgroup: Cgroup | undefined;
  readonly logFile: string;
  /** Cancels the start; no effect once it has succeeded. */
  readonly signal: AbortSignal;
  /** Told the process id before the service is ready. */
  readonly onSpawn: (pid: number) => void;
  /** Its listeners, bound; closed by who bound them, once it has copies. */
  readonly sockets: readonly number[];
  /** Where a service that is ready `by: 'order'` comes from. */
  readonly pool: WarmPool | undefined;
}

/** A process that was taken from a pool: known by its cgroup, as one that was found. */
export interface Taken {
  readonly pid: number;
  /** Where it lives, as it did while it waited. */
  readonly cgroup: Cgroup;
  /** Never rejects. */
  readonly exited: Promise<ChildExit>;
}

/** The sockets of a definition, in their order; closed when they are disposed. */
export interface BoundListeners extends Disposable {
  readonly sockets: readonly number[];
}

/** Sockets are open to connect; who may is decided by the directory's group and by SO_PEERCRED on each accept. */
const SOCKET_MODE = 0o666;

/** Binds each at its place: a client reaches the old socket or this one. Throws what `listenUnix` throws; nothing is bound then. */
export function bindListeners({ listeners }: ServiceDefinition): BoundListeners {
  using own = new DisposableStack();
  const sockets = listeners.map(({ path }) => own.adopt(listenUnix(path, { mode: SOCKET_MODE }), closeSync));
  const held = own.move();
  return { sockets, [Symbol.dispose]: () => held.dispose() };
}

/**
 * Starts one process of the stand in its cgroup, with its sockets and its log; resolves when it is ready. Throws `child_failed`,
 * `port_taken`; nothing of it is left then, no process and no descriptor.
 */
export async function startService(definition: ServiceDefinition, start: ServiceStart): Promise<Child | Taken> {
  const { ready, name } = definition;
  if (ready.by === 'order') return takeService(definition, ready.numbers, start);
  if (ready.by === 'port' && (await isPortOpen(ready.port, start.signal))) {
    throw new BureauError(
      'port_taken',
      `Cannot start ${name}: something else listens on 127.0.0.1:${ready.port}; stop it, or choose another port in the instance's settings`,
      { data: { port: ready.port } },
    );
  }
  const child = await spawnService(definition, start);
  if (ready.by === 'port') await portReady(child, ready.port, name, start);
  return child;
}

/** Resolves when the process serves: only then the kernel tells its uid to those who connect. */
async function takeService({ name }: ServiceDefinition, numbers: readonly number[], start: ServiceStart): Promise<Taken> {
  if (start.pool === undefined) throw new Error(`No pool to take ${name} from`);
  using own = new DisposableStack();
  const log = own.adopt(openLogFile(start.logFile), closeSync);
  const member = await start.pool.take();
  try {
    start.onSpawn(member.pid);
    start.signal.throwIfAborted();
    member.order(numbers, [log, ...start.sockets]);
    await member.ready();
    start.signal.throwIfAborted();
  } catch (cause) {
    await member.end();
    if (start.signal.aborted) throw cause;
    throw new BureauError('child_failed', `Could not start ${name}: ${whyNot(cause)}; see ${start.logFile}`, { cause });
  }
  void leaveAlone(member);
  return { pid: member.pid, cgroup: member.group, exited: member.exited };
}

/** What it said itself, if it could: its log may lie on the disk that is full or read-only. */
function whyNot(cause: unknown): string {
  const why = cause instanceof BureauError && cause.code === 'member_not_warm' ? cause.data['why'] : undefined;
  return typeof why === 'string' ? why : 'the process that waited for it is gone';
}

/** After its order it needs nothing of us; what it would say on its socket nobody reads. */
async function leaveAlone(member: PoolMember): Promise<void> {
  member.reports.resume();
  await member.exited;
  member.close();
}

async function spawnService(definition: ServiceDefinition, start: ServiceStart): Promise<Child> {
  const { clock, cgroup, logFile, signal, sockets, onSpawn } = start;
  using own = new DisposableStack();
  const log = own.adopt(openLogFile(logFile), closeSync);
  const piped = definition.ready.by === 'pipe';
  return await startChild({
    command: definition.command,
    args: definition.args,
    env: { ...definition.env },
    cwd: '/',
    stdio: ['ignore', log, log, ...sockets, ...(piped ? (['pipe'] as const) : [])],
    detached: true,
    ...(piped ? { readyFd: 3 + sockets.length } : {}),
    readyMilliseconds: READY_MILLISECONDS,
    clock,
    ...(cgroup === undefined ? {} : { cgroup }),
    logFile,
    signal,
    onSpawn,
  });
}

/** Resolves when the port accepts; otherwise ends the child and throws. */
async function portReady(child: Child, port: number, name: string, { clock, logFile, signal }: ServiceStart): Promise<void> {
  const over = new AbortController();
  const give = AbortSignal.any([over.signal, signal]);
  const fail = (what: string): void =>
    over.abort(new BureauError('child_failed', `Expected ${name} to listen on port ${port}, but ${what}; see ${logFile}`));
  const deadline = clock.setTimer(READY_MILLISECONDS, () => fail(`it did not within ${READY_MILLISECONDS} ms`));
  void child.exited.then(({ code, signal: by }) => fail(`it ended (${by ?? `exit code ${code}`})`));
  try {
    await portOpen(port, clock, give);
    over.signal.throwIfAborted();
  } catch (error) {
    await child.stop(0);
    throw error;
  } finally {
    deadline.clear();
  }
}
