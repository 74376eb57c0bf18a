// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { call, stream } from './contract.ts';
import { healthFinding, healthProbe } from './health-check.ts';
import { exitReport } from './sandbox-spec.ts';
import { absolutePath, bytes, integer, principalName, signalName, terminalSize, text, timestamp } from './scalars.ts';

/** Most bytes in one chunk of output or one write of input. */
export const TERMINAL_CHUNK_MAX = 64 * 1024;

/** What an observer gets, in order. */
export const outputChunk = v.variant('type', [
  /** Raw bytes as the payload wrote them; not yet fit for an operator's terminal. `error` only without a terminal. */
  v.strictObject({ type: v.literal('output'), from: v.picklist(['output', 'error']), data: bytes(TERMINAL_CHUNK_MAX) }),
  /** This many bytes were dropped because the observer was slow (`observe`) or joined late. */
  v.strictObject({ type: v.literal('dropped'), bytes: integer(0, Number.MAX_SAFE_INTEGER) }),
  v.strictObject({ type: v.literal('size'), columns: terminalSize, rows: terminalSize }),
  /** Replay is over; what follows is live. */
  v.strictObject({ type: v.literal('live') }),
]);
export type OutputChunk = v.InferOutput<typeof outputChunk>;

export const attachInput = v.strictObject({
  /** `control`: nothing is dropped, the payload waits for this observer; one at a time. `observe`: never slows the payload. */
  mode: v.picklist(['control', 'observe']),
  /** Bytes of past output that are wanted at most. */
  replay: v.optional(integer(0, 16 * 1024 * 1024), 1024 * 1024),
  columns: v.optional(terminalSize),
  rows: v.optional(terminalSize),
});

/** Launcher and daemon → relay, on `.p/<n>/relay/relay.sock`. */
export const relayContract = {
  name: 'relay',
  methods: {
    status: call(
      v.strictObject({}),
      v.strictObject({
        state: v.picklist(['waiting', 'running', 'exited']),
        /** Host pid of the sandbox's init, once it runs. */
        pid: v.nullable(integer(1, 2 ** 31)),
        terminal: v.boolean(),
        startedAt: timestamp,
        observers: integer(0, 10_000),
        exit: v.optional(exitReport),
      }),
    ),
    /** Ends with the exit report after the last byte of output. */
    attach: stream(attachInput, outputChunk, exitReport),
    /** Answers when the payload's end took the bytes. `end` closes stdin (without a terminal) or types ^D (with one). */
    input: call(v.strictObject({ data: bytes(TERMINAL_CHUNK_MAX), end: v.optional(v.boolean(), false) }), v.strictObject({})),
    resize: call(v.strictObject({ columns: terminalSize, rows: terminalSize }), v.strictObject({})),
    /** To the payload's foreground process group (terminal) or its first process. */
    signal: call(v.strictObject({ signal: signalName }), v.strictObject({})),
    /** Asks the payload once how it is (`packages/observe/src/health-probe.ts`). `not_running` before its command runs and after its end. */
    probe: call(healthProbe, healthFinding),
    /** TERM to the payload, grace, then KILL of everything; answers with the exit report. */
    stop: call(v.strictObject({ graceMilliseconds: integer(0, 600_000) }), exitReport),
  },
} as const;

/**
 * The descriptor of bwrap that is `mountSources[0]`, the rest in order behind it: what stands in `--bind-fd`. Before it are 0 to 2 and
 * bwrap's own four.
 */
export const MOUNT_SOURCE_FD = 7;

/**
 * A directory or file of the host as the launcher judged it and holds it. Whoever mounts it opens `path` without following links and goes
 * on only when device and inode are those: then no swap between judgement and use can matter.
 */
export const mountSource = v.strictObject({
  path: absolutePath,
  /** Device and inode, decimal: `dev:ino`. */
  identity: v.pipe(v.string(), v.regex(/^[0-9]{1,20}:[0-9]{1,20}$/)),
});
export type MountSource = v.InferOutput<typeof mountSource>;

/** One overlay: `lower` below, written to `upper` (bytes of memory, or a directory that has `upper` and `work`), seen at `stage`/merged. */
export const overlayPlan = v.strictObject({
  lower: mountSource,
  upper: v.union([integer(4_096, 2 ** 40), absolutePath]),
  stage: absolutePath,
});
export type OverlayPlan = v.InferOutput<typeof overlayPlan>;

/**
 * What a relay is told about its sandbox, beside the descriptors and words that it takes over: one frame (uint32 big-endian length, msgpack) inside the
 * start plan (`start-plan.ts`), which bureau-starter passes on unread.
 */
export const relayConfig = v.strictObject({
  v: v.literal(1),
  build: text(100),
  principal: principalName,
  holdForObserver: v.boolean(),
  /** Where the exit report is written (JSON, atomically) when the sandbox has ended. */
  exitFile: absolutePath,
  /** Who may connect. */
  allowedUids: v.array(integer(0, 2 ** 32)),
});
export type RelayConfig = v.InferOutput<typeof relayConfig>;

/** What starter and relay write on the relay's descriptor 4, each as one frame. */
export const relayReport = v.variant('type', [
  /** The starter: bwrap stands still before the command; `pid` is the sandbox's init as the host sees it. */
  v.strictObject({ type: v.literal('started'), pid: integer(1, 2 ** 31) }),
  /** The command runs. The starter's, or the relay's where a first observer was waited for. */
  v.strictObject({ type: v.literal('running') }),
  /** The relay has taken over and serves. */
  v.strictObject({ type: v.literal('ready') }),
  v.strictObject({ type: v.literal('exited'), exit: exitReport }),
  /** Never came to run; nothing is left. */
  v.strictObject({ type: v.literal('failed'), message: text(4_000) }),
]);
export type RelayReport = v.InferOutput<typeof relayReport>;
