// SPDX-License-Identifier: Apache-2.0
import { BureauError, type Clock, type PrincipalName, type RoomId, type UserId } from '@bureau/core';
import type { Handlers } from '@bureau/ipc';
import type { RefusedEvent, SyncHealth } from '@bureau/matrix-sync';
import { PAGE_MAX, REFUSED_SHOWN, type PlannedAction, type PrincipalStatus, type daemonContract } from '@bureau/protocol';
import type { LauncherLink } from './launcher-link.ts';
import { INPUT_MILLISECONDS, MESSAGE_MAX, RELAY_CALL_MILLISECONDS } from './limits.ts';
import { plainText } from './plain-text.ts';
import type { Reconciler } from './reconciler.ts';
import type { RelayRoutes } from './relay-routes.ts';
import type { Runs } from './runs.ts';
import type { StatusWatch } from './status-watch.ts';

export interface DaemonServiceDeps {
  readonly build: string;
  readonly machine: UserId;
  readonly configRoom: RoomId;
  readonly homeserver: string;
  readonly clock: Clock;
  readonly sync: {
    readonly health: SyncHealth;
    readonly lastSyncAt: number | null;
    readonly refused: { readonly count: number; readonly newest: readonly RefusedEvent[] };
  };
  readonly launcher: LauncherLink;
  readonly reconciler: Reconciler;
  readonly relays: RelayRoutes;
  readonly runs: Runs;
  readonly statuses: StatusWatch;
  readonly startedAt: number;
}

/** The one table of operations of the daemon's socket. */
export function daemonHandlers(deps: DaemonServiceDeps): Handlers<typeof daemonContract> {
  const { launcher, reconciler, relays, runs, statuses, clock } = deps;
  const call = { deadlineMilliseconds: RELAY_CALL_MILLISECONDS };
  return {
    status: () => ({
      build: deps.build,
      machine: deps.machine,
      configRoom: deps.configRoom,
      homeserver: deps.homeserver,
      sync: deps.sync.health,
      lastSyncAt: deps.sync.lastSyncAt,
      refused: {
        count: deps.sync.refused.count,
        newest: deps.sync.refused.newest.slice(-REFUSED_SHOWN).map(({ room, eventId, reason }) => ({
          room: plainText(room, 255),
          eventId: plainText(eventId, 255),
          reason,
        })),
      },
      launcher: launcher.observed === undefined ? 'away' : 'connected',
      resources: [...launcher.resources],
      startedAt: deps.startedAt,
      counts: countStates(reconciler.statuses),
    }),
    principals: ({ after }) => {
      const { page, next } = pageOf(reconciler.statuses, after);
      return { principals: page, next };
    },
    plan: ({ after }) => {
      const { page, next } = pageOf(reconciler.preview(), after);
      return { actions: page, next };
    },
    principal: ({ principal }) => {
      const desired = reconciler.desired().find((each) => each.principal === principal);
      const condition = desired?.condition;
      return {
        status: statuses.of(principal) ?? null,
        step: reconciler.preview().find((each) => each.principal === principal) ?? null,
        assignment: desired === undefined ? null : { event: desired.event, content: desired.assignment ?? null },
        healthCheck: desired?.target?.healthCheck ?? null,
        condition:
          condition === undefined
            ? null
            : { holds: condition.holds, message: condition.holds ? 'its start condition holds' : plainText(condition.why, MESSAGE_MAX) },
      };
    },
    follow: async function* ({ principal }, context) {
      using changes = statuses.follow(principal);
      context.signal.addEventListener('abort', () => changes.wake(), { once: true });
      yield { status: changes.current ?? null };
      while (!context.signal.aborted) yield { status: (await changes.next()) ?? null };
      return {};
    },
    run: async function* ({ principal, run }, context) {
      refuseBusy(principal, deps);
      using changes = statuses.follow(principal);
      using _lease = runs.hold({ principal, run, wake: () => changes.wake() });
      context.signal.addEventListener('abort', () => changes.wake(), { once: true });
      try {
        yield { principal, state: 'pending', run, restarts: 0 };
        while (!context.signal.aborted) {
          const status = await changes.next();
          if (status?.run === run) yield status;
        }
        return {};
      } finally {
        setImmediate(() => reconciler.poke());
      }
    },
    attach: async function* ({ principal, attach }, context) {
      const relay = await relays.to(principal);
      const output = relay.stream('attach', attach, { signal: context.signal, traceId: context.traceId });
      yield* output;
      return output.result;
    },
    input: async ({ principal, data, end }, context) =>
      (await relays.to(principal)).call('input', { data, end }, { deadlineMilliseconds: INPUT_MILLISECONDS, signal: context.signal }),
    resize: async ({ principal, columns, rows }) => (await relays.to(principal)).call('resize', { columns, rows }, call),
    signal: async ({ principal, signal }) => (await relays.to(principal)).call('signal', { signal }, call),
    wait: async ({ principal, state, milliseconds }, context) => {
      using changes = statuses.follow(principal);
      const late = new AbortController();
      const over = AbortSignal.any([context.signal, late.signal]);
      over.addEventListener('abort', () => changes.wake(), { once: true });
      const deadline = clock.setTimer(milliseconds, () => late.abort());
      try {
        let status = changes.current;
        while (!isState(status, state)) {
          if (over.aborted) {
            throw new BureauError(
              'deadline_exceeded',
              `"${principal}" did not become "${state}" within ${milliseconds} ms; it is "${status?.state ?? 'absent'}"`,
              { data: { principal } },
            );
          }
          status = await changes.next();
        }
        return { status: status ?? null };
      } finally {
        deadline.clear();
      }
    },
  };
}

/** In these nothing of a principal runs, after something did. */
const ENDED: ReadonlySet<PrincipalStatus['state']> = new Set(['exited', 'completed', 'stopped', 'backing_off', 'quarantined']);

/** How many principals are in which state. */
export function countStates(statuses: readonly PrincipalStatus[]): Partial<Record<PrincipalStatus['state'], number>> {
  const counts: Partial<Record<PrincipalStatus['state'], number>> = {};
  for (const { state } of statuses) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** The entries after a principal, as many as one answer carries; `next`: whom to ask after for more. */
function pageOf<Entry extends PrincipalStatus | PlannedAction>(
  all: readonly Entry[],
  after: PrincipalName | undefined,
): { page: Entry[]; next: PrincipalName | null } {
  const rest = all
    .filter(({ principal }) => after === undefined || principal > after)
    .toSorted((a, b) => (a.principal < b.principal ? -1 : 1));
  const page = rest.slice(0, PAGE_MAX);
  return { page, next: rest.length > page.length ? (page.at(-1)?.principal ?? null) : null };
}

function isState(status: PrincipalStatus | undefined, wanted: 'running' | 'exited' | 'absent'): boolean {
  switch (wanted) {
    case 'running':
      return status?.state === 'running';
    case 'exited':
      return status !== undefined && ENDED.has(status.state);
    case 'absent':
      return status === undefined;
  }
}

/** A run takes a principal that nobody else uses: not live, not assigned, not held by another command line. */
function refuseBusy(principal: PrincipalName, { launcher, reconciler, runs }: DaemonServiceDeps): void {
  const busy = (why: string): never => {
    throw new BureauError('principal_busy', `Cannot run as "${principal}": ${why}`, { data: { principal } });
  };
  if (runs.holds(principal)) busy('another "bureau run" holds it; wait for its end or use another name');
  const wanted = reconciler.desired().find((desired) => desired.principal === principal);
  if (wanted !== undefined && wanted.assignment?.run === undefined)
    busy('it is deployed as an agent; stop and remove it ("bureau agent remove"), or use another name');
  if (
    launcher.client !== undefined &&
    launcher.observed?.some((info) => info.principal === principal && info.state !== 'exited') === true
  ) {
    busy('its last sandbox still runs; try again in a moment');
  }
}
