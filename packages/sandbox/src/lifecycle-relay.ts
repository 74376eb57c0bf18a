// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { BureauError, type Clock } from '@bureau/core';
import { openLogFile } from '@bureau/files';
import { encodeFrame, readFrames } from '@bureau/ipc';
import { listenUnix } from '@bureau/native';
import { endGroup, readProcess, type Cgroup, type LimitedCgroup, type PoolMember, type WarmPool } from '@bureau/process';
import { relayReport, type RelayConfig, type RelayReport } from '@bureau/protocol';
import * as v from 'valibot';
import type { FaultPoints } from './faults.ts';
import { RELAY_START_MILLISECONDS, REPORT_MAX_BYTES } from './lifecycle-limits.ts';

/** How to start the relay of one sandbox. */
export interface RelayStart {
  /** Without its order; ended here when the start fails. */
  readonly relay: TakenRelay;
  readonly uid: number;
  readonly socketPath: string;
  readonly logFile: string;
  readonly outputFile: string;
  readonly config: RelayConfig;
  /** For everything inside the sandbox; made, and not yet held to its limits. */
  readonly sandboxGroup: LimitedCgroup;
  readonly clock: Clock;
  readonly faults: FaultPoints;
  /** Makes what bubblewrap mounts, while the relay takes its uid. */
  readonly prepare: () => void;
  /** Makes what the payload finds in the directories that bubblewrap mounts, while that starts. */
  readonly furnish: () => Promise<void>;
  /** What the payload needs before its first instruction (its proxy's socket), made while the relay starts; a rejection gives the start up. */
  readonly untilListening: Promise<void>;
  /** Called for `running`, which may come long after the start when the payload is held for an observer. */
  readonly onRunning: () => void;
}

const GO = Buffer.from([0x67]);

/**
 * Gives a waiting relay the payload's uid and brings it to the point where the sandbox's init stands in its own cgroup and may run. Each
 * side has what it needs as early as it can be had, since relay, bubblewrap and proxy start beside each other. Throws `start_failed` with what the
 * relay or bwrap said; nothing is left then.
 */
export async function startRelay(start: RelayStart): Promise<void> {
  const { faults, clock } = start;
  // Awaited only once the sandbox stands.
  start.untilListening.catch(() => undefined);
  try {
    const relay = await start.relay.member;
    giveOrder(relay, start);
    faults.reached('create.ordered');
    start.prepare();
    faults.reached('create.directories');
    // It may not be in its group yet: what it starts until then is brought along.
    relay.instructions.write(encodeFrame(start.config));
    faults.reached('create.configured');
    const reports = readReports(relay.reports);
    const started = untilStarted(reports, clock);
    started.catch(() => undefined);
    start.sandboxGroup.hold();
    faults.reached('create.groups');
    await Promise.all([start.furnish(), started.then((init) => place(init, relay, start, reports)), start.untilListening]);
    relay.instructions.end(GO);
    faults.reached('create.go');
    void followReports(reports, start.onRunning);
  } catch (error) {
    await Promise.allSettled([start.relay.end(), endGroup(start.sandboxGroup, 0, clock)]);
    throw error;
  }
}

/** A relay on its way into the group of its sandbox. */
export interface TakenRelay {
  /** Resolves when it waits for its order. */
  readonly member: Promise<PoolMember>;
  /** Resolves when it is in its group. */
  readonly entered: Promise<void>;
  /** Ends it, wherever it is; resolves when nothing of it is left. Idempotent, never rejects. */
  end(): Promise<void>;
}

/** A relay that waits, or a new one, which begins to move into `group`. What fails is told by its promises. */
export function takeRelay(pool: Pick<WarmPool, 'take'>, group: Cgroup): TakenRelay {
  const member = pool.take();
  const entered = member.then((relay) => relay.enter(group));
  // Told to who waits for it.
  entered.catch(() => undefined);
  const end = async (): Promise<void> => {
    await entered.catch(() => undefined);
    await member.then((relay) => relay.end()).catch(() => undefined);
  };
  return { member, entered, end };
}

/** The relay's own files and its socket are opened here, by root: it never looks at a path before it has its uid. */
function giveOrder(relay: PoolMember, start: RelayStart): void {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  using own = new DisposableStack();
  const log = own.adopt(openLogFile(start.logFile), closeSync);
  const listener = own.adopt(listenUnix(start.socketPath, { mode: 0o666 }), closeSync);
  const output = own.adopt(openSync(start.outputFile, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600), closeSync);
  relay.order([start.uid], [log, listener, output]);
}

async function place(pid: number, relay: PoolMember, start: RelayStart, reports: AsyncGenerator<RelayReport, void>): Promise<void> {
  try {
    await start.relay.entered;
    start.faults.reached('create.relay');
    refuseStranger(pid, relay);
    start.faults.reached('create.started');
    await relay.gather(pid, start.sandboxGroup);
  } catch (error) {
    // bubblewrap may end between the two (a mount that the kernel refuses): then its relay says why, and nobody was named wrongly.
    if (isAlive(pid)) throw error;
    await untilStarted(reports, start.clock);
    throw error;
  }
  start.faults.reached('create.placed');
}

/** What lies in a sandbox's group is killed with it: a relay (which has the payload's uid) may name nobody but a child of its own. */
function refuseStranger(pid: number, relay: PoolMember): void {
  if (relay.pids().includes(pid)) return;
  throw new BureauError('start_failed', `The relay named process ${pid} as its sandbox, which is none of its own`, { data: { pid } });
}

/** A zombie is dead: nothing can be done with it. */
function isAlive(pid: number): boolean {
  return readProcess(pid)?.zombie === false;
}

async function* readReports(pipe: Readable): AsyncGenerator<RelayReport, void> {
  for await (const frame of readFrames(pipe, REPORT_MAX_BYTES)) yield v.parse(relayReport, frame);
}

async function untilStarted(reports: AsyncGenerator<RelayReport, void>, clock: Clock): Promise<number> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const deadline = clock.setTimer(RELAY_START_MILLISECONDS, () =>
    reject(
      new BureauError('start_failed', `Expected the sandbox to stand within ${RELAY_START_MILLISECONDS} ms; the relay said nothing more`),
    ),
  );
  try {
    for (;;) {
      const { value, done } = await Promise.race([reports.next(), late]);
      if (done === true || value === undefined)
        throw new BureauError('start_failed', "The sandbox's relay ended before the sandbox stood; its log says why");
      if (value.type === 'started') return value.pid;
      if (value.type === 'failed') throw new BureauError('start_failed', `bubblewrap could not make the sandbox: ${value.message}`);
    }
  } finally {
    deadline.clear();
  }
}

/** Reads on to the end, so that the relay never blocks on a full pipe. Garbage on it ends the reading, not the sandbox. */
async function followReports(reports: AsyncGenerator<RelayReport, void>, onRunning: () => void): Promise<void> {
  try {
    for await (const report of reports) if (report.type === 'running') onRunning();
  } catch {
    // The relay's end is told by its cgroup and its exit file.
  }
}
