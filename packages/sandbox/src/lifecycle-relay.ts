// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { BureauError, within, type Clock } from '@bureau/core';
import { openLogFile } from '@bureau/files';
import { readFrames } from '@bureau/ipc';
import { listenUnix } from '@bureau/native';
import { readProcess, type Cgroup, type LimitedCgroup, type PoolMember, type WarmPool } from '@bureau/process';
import { encodeStartPlan, relayReport, type RelayReport, type StartPlan } from '@bureau/protocol';
import * as v from 'valibot';
import type { FaultPoints } from './faults.ts';
import { RELAY_SERVES_MILLISECONDS, RELAY_START_MILLISECONDS, REPORT_MAX_BYTES } from './lifecycle-limits.ts';

/** How to start the relay of one sandbox. */
export interface RelayStart {
  readonly relay: EnlistedRelay;
  readonly socketPath: string;
  readonly logFile: string;
  readonly outputFile: string;
  readonly plan: StartPlan;
  /** For everything inside the sandbox, bubblewrap included; made, and not yet held to its limits. */
  readonly sandboxGroup: LimitedCgroup;
  readonly clock: Clock;
  readonly faults: FaultPoints;
  /** Makes what bubblewrap mounts, while the relay takes its uid. */
  readonly prepare: () => void;
  /** Makes what the payload finds in the directories that bubblewrap mounts, while that starts. */
  readonly furnish: () => Promise<void>;
  /** Makes what the payload needs before its first instruction (its proxy's socket), while bubblewrap starts. */
  readonly listen: () => Promise<void>;
  /** Called for `running`, which may come long after the start when the payload is held for an observer. */
  readonly onRunning: () => void;
}

const GO = Buffer.from([0x67]);

/** Lets the relay take its sandbox over from its starter; resolves when it serves, or is late or has ended. Never rejects. */
export type Settle = () => Promise<void>;

/**
 * Brings a sandbox to the point where it stands in its own cgroup and its command runs, or waits for an observer. Its relay is not awake yet: whoever connects
 * wakes it, {@link Settle} does. Each side has what it needs as early as it can be had, since starter, bubblewrap and proxy
 * start beside each other. Throws `start_failed` with what the starter or bwrap said; what there is of it by then is the caller's to end.
 */
export async function startRelay(start: RelayStart): Promise<Settle> {
  const { faults, clock, sandboxGroup } = start;
  const relay = await start.relay.member;
  start.prepare();
  faults.reached('create.directories');
  tellPlan(relay, start);
  faults.reached('create.ordered');
  const reports = readReports(relay.reports);
  const started = untilStarted(reports, clock);
  const listening = start.listen();
  // Both are awaited below.
  for (const each of [started, listening]) each.catch(() => undefined);
  sandboxGroup.hold();
  faults.reached('create.groups');
  await Promise.all([start.furnish(), started.then((init) => demandPlace(init, start, reports)), listening]);
  relay.instructions.write(GO);
  faults.reached('create.go');
  const serves = untilServing(reports, start.onRunning);
  return async () => {
    relay.instructions.end();
    await within(clock, RELAY_SERVES_MILLISECONDS, serves);
  };
}

/** A relay on its way to be that of a sandbox. */
export interface EnlistedRelay {
  /** Resolves when it has been told who to be; rejects when there is none to tell. */
  readonly member: Promise<PoolMember>;
  /** Ends it, wherever it is; resolves when nothing of it is left. Idempotent, never rejects. */
  end(): Promise<void>;
}

/** Who a relay is to be. */
export interface Enlisting {
  readonly uid: number;
  /** Where the sandbox is born; made. */
  readonly group: LimitedCgroup;
  /** Told the relay's own group before it is told anything. */
  readonly onTaken: (group: Cgroup) => void;
  readonly faults: FaultPoints;
}

/**
 * A relay that waited, or a new one, takes its uid, and makes the process that will be bubblewrap in the sandbox's group. Nothing of the sandbox's
 * files is looked at or made by that. What fails is told by its promises.
 */
export function enlistRelay(pool: Pick<WarmPool, 'take'>, { uid, group, onTaken, faults }: Enlisting): EnlistedRelay {
  const taken = pool.take();
  const member = taken.then((relay) => {
    onTaken(relay.group);
    using birth = group.openForBirth();
    relay.order([uid], birth.descriptors);
    faults.reached('create.enlisted');
    return relay;
  });
  // Told to who waits for it.
  member.catch(() => undefined);
  return { member, end: () => taken.then((relay) => relay.end()).catch(() => undefined) };
}

/** The relay's own files and its socket are opened here, by root: nobody else looks at a path before it has its uid. */
function tellPlan(relay: PoolMember, start: RelayStart): void {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  using own = new DisposableStack();
  const log = own.adopt(openLogFile(start.logFile), closeSync);
  const listener = own.adopt(listenUnix(start.socketPath, { mode: 0o666 }), closeSync);
  const output = own.adopt(openSync(start.outputFile, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600), closeSync);
  const plan = encodeStartPlan(start.plan);
  relay.order([plan.length], [log, listener, output]);
  relay.instructions.write(plan);
}

/** Nobody says "go" to a sandbox that is not where it is held to its limits and ended. */
async function demandPlace(
  pid: number,
  { sandboxGroup, faults, clock }: RelayStart,
  reports: AsyncGenerator<RelayReport, void>,
): Promise<void> {
  faults.reached('create.started');
  if (sandboxGroup.pids().includes(pid)) return faults.reached('create.placed');
  // bubblewrap may end meanwhile (a mount that the kernel refuses): then its relay says why, and nobody was named wrongly.
  if (!isAlive(pid)) await untilStarted(reports, clock);
  throw new BureauError('start_failed', `The relay named process ${pid} as its sandbox, which is not in the sandbox's control group`, {
    data: { pid },
  });
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

/** Resolves when the relay serves, or has ended. Reads on to the end, so that it never blocks on a full pipe. */
function untilServing(reports: AsyncGenerator<RelayReport, void>, onRunning: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const told: Partial<Record<RelayReport['type'], () => void>> = { running: onRunning, ready: resolve };
  const follow = async (): Promise<void> => {
    for await (const report of reports) told[report.type]?.();
  };
  // Garbage ends the reading, not the sandbox: the relay's end is told by its cgroup and its exit file.
  follow().then(resolve, () => resolve());
  return promise;
}
