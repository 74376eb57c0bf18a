// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { jsonObject } from './json-object.ts';
import { sandboxMount } from './sandbox-mounts.ts';
import { pathTemplate, shortName } from './sandbox-text.ts';
import { integer, text } from './scalars.ts';
import { secretName } from './upstream.ts';

/** Most secrets of one sandbox as files. */
const SECRET_FILES_MAX = 64;

/** Longest single argument or environment value. */
export const ARGUMENT_MAX = 128 * 1024;
/** Most arguments of a command. */
export const ARGUMENTS_MAX = 4_096;
/** Most mounts of a spec: each costs every start a fifth of a millisecond. */
const MOUNTS_MAX = 128;
/** Most directories that a spec wants made. */
const DIRECTORIES_MAX = 64;
/** Most roles, and most services. */
const ROLES_MAX = 64;

/** A variable's name as POSIX has it. */
export const environmentName = v.pipe(
  v.string(),
  v.maxLength(256),
  v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected a name of letters, digits and "_"'),
);

/** Any text without NUL, which argv and environment cannot carry. */
export const argument = v.pipe(
  v.string(),
  v.maxLength(ARGUMENT_MAX),
  v.check((value) => !value.includes('\0'), 'expected text without NUL'),
);

const command = v.pipe(v.array(argument), v.minLength(1), v.maxLength(ARGUMENTS_MAX));
/** An array is no record, though valibot takes an empty one for one. */
export const withoutLists = <Value>() =>
  v.custom<Record<string, Value>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'expected an object');
const variables = v.pipe(withoutLists<string>(), v.record(environmentName, argument));

/** What the sandbox's `/usr`, `/bin`, `/lib…` are: always read-only. */
const rootChoice = v.variant('type', [
  v.strictObject({ type: v.literal('host') }),
  /** A directory that the machine's policy lists, with `usr` and, where it has shared libraries, its own `etc/ld.so.cache`. */
  v.strictObject({ type: v.literal('directory'), path: pathTemplate }),
  /** The host's `/usr`, with `/nix/store` beside it and the environment's `bin` first in PATH. */
  v.strictObject({ type: v.literal('nix'), environment: pathTemplate }),
]);

/** A guard that a spec may name but not take away. */
function always<Value extends boolean | string>(value: Value, reason: string) {
  return v.optional(v.literal(value, `expected ${JSON.stringify(value)} or nothing: ${reason}`));
}

/** All of them are unshared, always; the fields are here so that a spec that asks for less is told why not. */
const namespaces = v.strictObject({
  user: always(true, 'without its own user namespace a sandbox would have the capabilities of its starter'),
  pid: always(true, 'a sandbox never sees processes of others'),
  net: always(true, 'no sandbox has the host’s network; it reaches the world through its proxy'),
  ipc: always(true, 'no sandbox shares memory with others'),
  uts: always(true, 'a sandbox has its own host name'),
  cgroup: always(true, 'a sandbox does not see the host’s cgroups'),
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
 * What runs in a sandbox. Everything that is not here is fixed by the launcher: the namespaces, the uid, seccomp, `/proc`, `/dev`, `/tmp`,
 * home, `/workspace`, `/run/bureau`. Paths, environment values and prepended values may hold variables of a closed list (`${MACHINE_NAME}`;
 * `$${` is a literal `${`), the command may not. New fields are optional without a default: a digest in `allowed_specs` stays what it was.
 */
export const sandboxSpec = v.strictObject({
  v: v.literal(1),
  /** The command and its arguments; never a shell line. */
  command,
  environment: v.optional(variables, {}),
  /** Put before what the variable holds, with ":" between. */
  prependVariables: v.optional(variables),
  mounts: v.optional(v.pipe(v.array(sandboxMount), v.maxLength(MOUNTS_MAX)), []),
  /** Directories that are there when the command starts, writable memory; below a mount of the host they are refused. */
  createDirectories: v.optional(v.pipe(v.array(pathTemplate), v.maxLength(DIRECTORIES_MAX))),
  /** Secrets that are wanted as files below /run/bureau/secrets; the bundle has to show each of them (`files`, ADR 0016). */
  secretFiles: v.optional(v.pipe(v.array(secretName), v.maxLength(SECRET_FILES_MAX))),
  /** Where the command starts; inside the sandbox. */
  directory: v.optional(pathTemplate, '/workspace'),
  /** A terminal of its own on 0, 1 and 2; without it three pipes. */
  terminal: v.optional(v.boolean(), true),
  /** Bytes of `/tmp`, of `/dev/shm` and of home, each; and of `/scratch` in memory. */
  scratchSize: v.optional(integer(4_096, 2 ** 40), 512 * 1024 * 1024),
  /** `debug` only where the machine's policy lists it. */
  profile: v.optional(sandboxProfile, 'default'),
  resources: v.optional(sandboxResources),
  /** What it is told to do: `/run/bureau/payload.json` inside. Can be replaced while it runs, and is no part of the spec's digest. */
  payload: v.optional(jsonObject),
  /** What set it off: `/run/bureau/trigger.json` inside, where there is one. Like `payload`. */
  trigger: v.optional(jsonObject),
  /** `/scratch`: `memory` ends with the run, `disk` is kept like the workspace but is no part of what is copied out of it. */
  scratch: v.optional(v.picklist(['memory', 'disk'])),
  root: v.optional(rootChoice),
  /** The graphics devices of this machine, as far as its policy lists them; one at least. */
  gpu: v.optional(v.boolean()),
  namespaces: v.optional(namespaces),
  isolation: always('standard', 'there is no payload without a sandbox'),
  /** Other commands of the same agent by name; nothing starts them yet. */
  roles: v.optional(v.pipe(withoutLists<string[]>(), v.record(shortName, command), v.maxEntries(ROLES_MAX))),
  /** Roles of services without which it must not start. */
  requiredServices: v.optional(v.pipe(v.array(shortName), v.maxLength(ROLES_MAX))),
});
export type SandboxSpec = v.InferOutput<typeof sandboxSpec>;

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
