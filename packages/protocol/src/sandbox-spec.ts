// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { jsonObject } from './json-object.ts';
import { absolutePath, integer, text } from './scalars.ts';

/** Longest single argument or environment value. */
export const ARGUMENT_MAX = 128 * 1024;
/** Most arguments of a command. */
export const ARGUMENTS_MAX = 4_096;

/** A variable's name as POSIX has it. */
export const environmentName = v.pipe(
  v.string(),
  v.maxLength(256),
  v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected a name of letters, digits and "_"'),
);

/** Any text without NUL, which argv and environment cannot carry. */
const argument = v.pipe(
  v.string(),
  v.maxLength(ARGUMENT_MAX),
  v.check((value) => !value.includes('\0'), 'expected text without NUL'),
);

/** A directory or file of the host inside the sandbox; the launcher's policy decides whether it may be. */
const bindMount = v.strictObject({
  type: v.literal('bind'),
  source: absolutePath,
  destination: absolutePath,
  mode: v.optional(v.picklist(['ro', 'rw']), 'ro'),
  optional: v.optional(v.boolean(), false),
});

/** A fresh memory file system inside the sandbox. */
const tmpfsMount = v.strictObject({
  type: v.literal('tmpfs'),
  destination: absolutePath,
  /** Bytes. */
  size: v.optional(integer(4_096, 2 ** 40), 64 * 1024 * 1024),
});

/** Which system calls a payload may make: `default` as in a container, `strict` fewer, `debug` with tracing of own children. */
export const sandboxProfile = v.picklist(['strict', 'default', 'debug']);
export type SandboxProfile = v.InferOutput<typeof sandboxProfile>;

/** What a sandbox may use at most. What is left out has the launcher's default; its policy says what can be asked for. */
export const sandboxResources = v.strictObject({
  /** Bytes of memory, file cache, `/tmp` and swap together. */
  memory: v.optional(integer(16 * 1024 * 1024, 2 ** 50)),
  /** Processes and threads. */
  pids: v.optional(integer(8, 4_000_000)),
  /** Share of the processor when others want it too: 100 is everybody's. */
  cpuWeight: v.optional(integer(1, 10_000)),
  /** Percent of one core: 150 is one core and a half. */
  cpuQuota: v.optional(integer(1, 1_000_000)),
  /** Share of the disk when others want it too: 100 is everybody's. */
  ioWeight: v.optional(integer(1, 10_000)),
  /** Open descriptors of one process. */
  openFiles: v.optional(integer(32, 1_048_576)),
  /** Bytes of the largest file that can be written. */
  fileSize: v.optional(integer(4_096, 2 ** 50)),
});
export type SandboxResources = v.InferOutput<typeof sandboxResources>;

/** What a payload can run into; see `exitReport`. */
const payloadLimit = v.picklist(['memory', 'pids', 'scratch', 'workspace']);

/**
 * What runs in a sandbox. Everything that is not here is fixed by the launcher: the namespaces, the uid,
 * `/usr` read-only, `/proc`, `/dev`, `/tmp`, home, `/workspace`, `/run/bureau`.
 */
export const sandboxSpec = v.strictObject({
  v: v.literal(1),
  /** The command and its arguments; never a shell line. */
  command: v.pipe(v.array(argument), v.minLength(1), v.maxLength(ARGUMENTS_MAX)),
  environment: v.optional(v.record(environmentName, argument), {}),
  mounts: v.optional(v.pipe(v.array(v.variant('type', [bindMount, tmpfsMount])), v.maxLength(128)), []),
  /** Where the command starts; inside the sandbox. */
  directory: v.optional(absolutePath, '/workspace'),
  /** A terminal of its own on 0, 1 and 2; without it three pipes. */
  terminal: v.optional(v.boolean(), true),
  /** Bytes of `/tmp`, of `/dev/shm` and of home, each. */
  scratchSize: v.optional(integer(4_096, 2 ** 40), 512 * 1024 * 1024),
  /** `debug` only where the machine's policy lists it. */
  profile: v.optional(sandboxProfile, 'default'),
  resources: v.optional(sandboxResources),
  /** What it is told to do: `/run/bureau/payload.json` inside. Can be replaced while it runs, and is no part of the spec's digest. */
  payload: v.optional(jsonObject),
  /** What set it off: `/run/bureau/trigger.json` inside, where there is one. Like `payload`. */
  trigger: v.optional(jsonObject),
});
export type SandboxSpec = v.InferOutput<typeof sandboxSpec>;
export type Mount = SandboxSpec['mounts'][number];

/** How a payload ended: exactly one of `code` and `signal`. */
export const exitReport = v.strictObject({
  code: v.nullable(integer(0, 255)),
  signal: v.nullable(text(20)),
  /** Why, when it was not the payload's own end: `stopped`, `relay_lost`, `start_failed`, … */
  reason: v.optional(text(500)),
  /**
   * What it ran into at least once, whether or not that ended it. `memory`: a process of it was killed for want of memory · `pids`: it was
   * refused a process · `scratch`: `/tmp`, `/dev/shm` or home was full at its end · `workspace`: the disk under `/workspace` was.
   */
  limits: v.optional(v.pipe(v.array(payloadLimit), v.maxLength(4))),
});
export type ExitReport = v.InferOutput<typeof exitReport>;
