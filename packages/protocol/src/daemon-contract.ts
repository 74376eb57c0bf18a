// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { call, stream } from './contract.ts';
import { RESOURCE_FINDINGS_MAX, resourceFinding } from './launcher-contract.ts';
import { healthCheck } from './health-check.ts';
import { principalState, principalStatus } from './events/principal-status.ts';
import { assignmentContent } from './events.ts';
import { attachInput, outputChunk, TERMINAL_CHUNK_MAX } from './relay-contract.ts';
import { exitReport } from './sandbox-spec.ts';
import { bytes, integer, principalName, roomId, signalName, terminalSize, text, timestamp, userId } from './scalars.ts';

/** Names one `bureau run`; random. */
const runId = v.pipe(v.string(), v.regex(/^[a-z0-9]{8,40}$/, 'expected 8 to 40 of a-z and 0-9'));

/** One step that the reconciler would take now, and why. */
export const plannedAction = v.strictObject({
  action: v.picklist([
    'authorize',
    'block',
    'check',
    'create',
    'destroy',
    'forget',
    'hold',
    'quarantine',
    'record',
    'rotate',
    'update',
    'wait',
  ]),
  principal: principalName,
  reason: text(500),
  /** The event that caused it. */
  event: v.optional(text(255)),
  /** `wait`: when the machine goes on by itself. */
  until: v.optional(timestamp),
});
export type PlannedAction = v.InferOutput<typeof plannedAction>;

/** Refused events that a status shows. */
export const REFUSED_SHOWN = 10;

/** An event that could not be read, and why. */
const refusedEvent = v.strictObject({ room: text(255), eventId: text(255), reason: text(500) });

/** Entries of one page: with the longest messages well below a frame. */
export const PAGE_MAX = 200;

/** Operator → daemon, on `.sys/daemon.sock`; peer uid 0 only for now. */
export const daemonContract = {
  name: 'daemon',
  methods: {
    status: call(
      v.strictObject({}),
      v.strictObject({
        build: text(100),
        machine: userId,
        configRoom: roomId,
        homeserver: text(500),
        sync: v.picklist(['starting', 'live', 'offline', 'logged_out']),
        lastSyncAt: v.nullable(timestamp),
        /** Events of rooms that could not be read and are left out: how many since the start, and the newest. */
        refused: v.strictObject({
          count: integer(0, Number.MAX_SAFE_INTEGER),
          newest: v.pipe(v.array(refusedEvent), v.maxLength(REFUSED_SHOWN)),
        }),
        launcher: v.picklist(['connected', 'away']),
        /** What the machine holds sandboxes to, as the launcher says; empty while it is away. */
        resources: v.pipe(v.array(resourceFinding), v.maxLength(RESOURCE_FINDINGS_MAX)),
        startedAt: timestamp,
        /** State → how many principals are in it. */
        counts: v.record(principalState, integer(0, 100_000)),
      }),
    ),
    /** The states of all principals in the order of their names, from the one after `after` on; `next`: there are more. */
    principals: call(
      v.strictObject({ after: v.optional(principalName) }),
      v.strictObject({ principals: v.pipe(v.array(principalStatus), v.maxLength(PAGE_MAX)), next: v.nullable(principalName) }),
    ),
    /** What the reconciler would do now, in pages as `principals`. */
    plan: call(
      v.strictObject({ after: v.optional(principalName) }),
      v.strictObject({ actions: v.pipe(v.array(plannedAction), v.maxLength(PAGE_MAX)), next: v.nullable(principalName) }),
    ),
    /** One principal: what is said of it, the planned step, and what its assignment asks for; `null` where there is none. */
    principal: call(
      v.strictObject({ principal: principalName }),
      v.strictObject({
        status: v.nullable(principalStatus),
        step: v.nullable(plannedAction),
        assignment: v.nullable(v.object({ event: text(255), content: v.nullable(assignmentContent) })),
        /** How it is asked whether it is well, template and assignment in one; absent (as from an earlier daemon) or `null`: it is not. */
        healthCheck: v.optional(v.nullable(healthCheck), null),
        /** Whether its start condition holds, in words; `null` without one. */
        condition: v.nullable(v.strictObject({ holds: v.boolean(), message: text(1_000) })),
      }),
    ),
    /** What is said of one principal now (`null`: nothing), then at each change. */
    follow: stream(
      v.strictObject({ principal: principalName }),
      v.strictObject({ status: v.nullable(principalStatus) }),
      v.strictObject({}),
    ),
    /**
     * Holds the life of one run: as long as this stream is open, an assignment that carries `run` is wanted.
     * Fails with `principal_busy` when the principal is live or assigned. The first chunk (`pending`) says that it is held; then each
     * change of its state is one.
     */
    run: stream(v.strictObject({ principal: principalName, run: runId }), principalStatus, v.strictObject({})),
    /** As the relay's, for the sandbox of this principal. `not_running` when there is none. */
    attach: stream(v.strictObject({ principal: principalName, attach: attachInput }), outputChunk, exitReport),
    input: call(
      v.strictObject({ principal: principalName, data: bytes(TERMINAL_CHUNK_MAX), end: v.optional(v.boolean(), false) }),
      v.strictObject({}),
    ),
    resize: call(v.strictObject({ principal: principalName, columns: terminalSize, rows: terminalSize }), v.strictObject({})),
    signal: call(v.strictObject({ principal: principalName, signal: signalName }), v.strictObject({})),
    /** Answers when the principal's state is `state`, or fails with `deadline_exceeded`. */
    wait: call(
      v.strictObject({ principal: principalName, state: v.picklist(['running', 'exited', 'absent']), milliseconds: integer(0, 3_600_000) }),
      v.strictObject({ status: v.nullable(principalStatus) }),
    ),
  },
} as const;
