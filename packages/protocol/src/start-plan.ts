// SPDX-License-Identifier: Apache-2.0
import type { MountSource } from './relay-contract.ts';

/**
 * What the launcher has judged and wants started: read by bureau-starter (C, `apps/c-programs/src/starter/plan.c`), which runs as the payload's user by
 * then. Written once, behind an order with the plan's length and three descriptors: the relay's log, its listening socket, the payload's
 * output log. After it one byte `0x67` ("go") says that the payload may run; the end of the socket before that byte means: give up; after it: the
 * relay is to take over now.
 */
export interface StartPlan {
  /** bubblewrap's whole command line (`bwrapLine`), as it is executed. */
  readonly line: readonly string[];
  /** bubblewrap's own options, which go by descriptor so that nobody sees them in `/proc/1/cmdline`. */
  readonly options: readonly string[];
  /** The seccomp program (array of `struct sock_filter`). */
  readonly seccomp: Uint8Array;
  /** What bubblewrap finds from descriptor `MOUNT_SOURCE_FD` on, in this order; opened anew by the payload's user, and only if it is still that. */
  readonly mountSources: readonly MountSource[];
  /** Device files that the payload's user must be able to open, or the start fails. */
  readonly devices: readonly string[];
  /** A terminal on 0, 1 and 2; otherwise three pipes. */
  readonly terminal: boolean;
  /** After "go" it is the relay that lets the command run, when a first observer is there. */
  readonly holdForObserver: boolean;
  /** Limits of the payload's processes, set before its first instruction. Core dumps are always off. */
  readonly limits?: ProcessLimitsPlan | undefined;
  /** A frame with the `RelayConfig`: the relay's alone. */
  readonly relay: Uint8Array;
}

/** Absent: not held to any. */
export interface ProcessLimitsPlan {
  readonly openFiles: number;
  /** Bytes of the largest file. */
  readonly fileSize: number;
  /** Processes and threads. */
  readonly processes: number;
}

const TERMINAL = 1;
const HELD = 2;

/** The plan as bureau-starter reads it: numbers are big-endian, each part stands behind its length, texts end with a NUL each. Pure. */
export function encodeStartPlan(plan: StartPlan): Uint8Array {
  const { limits } = plan;
  const flags = (plan.terminal ? TERMINAL : 0) | (plan.holdForObserver ? HELD : 0);
  const sources = plan.mountSources.flatMap(({ path, identity }) => [path, identity]);
  return joined([
    numberOf(flags),
    ...[limits?.openFiles, limits?.fileSize, limits?.processes].map(largeOf),
    ...[texts(plan.line), texts(plan.options), plan.seccomp, texts(sources), texts(plan.devices), plan.relay].flatMap(partOf),
  ]);
}

function partOf(bytes: Uint8Array): Uint8Array[] {
  return [numberOf(bytes.length), bytes];
}

function texts(values: readonly string[]): Uint8Array {
  return new TextEncoder().encode(values.map((value) => `${value}\0`).join(''));
}

function numberOf(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** 0: none. */
function largeOf(value = 0): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
