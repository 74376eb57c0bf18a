// SPDX-License-Identifier: Apache-2.0
import { lstatSync } from 'node:fs';
import { BureauError, parseGlob } from '@bureau/core';
import { readJson } from '@bureau/files';
import { absolutePath, integer, sandboxProfile } from '@bureau/protocol';
import * as v from 'valibot';
import { forbiddenDevice } from './policy-devices.ts';
import { forbiddenSource } from './policy-sources.ts';

/** Largest policy file; it holds a list of directories. */
const POLICY_FILE_MAX_BYTES = 256 * 1024;
/** Most rules of one kind; each is looked at for each mount. */
const POLICY_RULES_MAX = 1_000;

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const bindRule = v.pipe(
  v.strictObject({
    /** This directory or file and everything below it may be bound. */
    source: v.pipe(
      absolutePath,
      v.rawCheck(({ dataset, addIssue }) => {
        const fault = dataset.typed ? forbiddenSource(dataset.value, 'ro') : undefined;
        if (fault !== undefined) addIssue({ message: `no policy can allow this source: ${fault}` });
      }),
    ),
    mode: v.optional(v.picklist(['ro', 'rw']), 'ro'),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    const fault = dataset.typed && dataset.value.mode === 'rw' ? forbiddenSource(dataset.value.source, 'rw') : undefined;
    if (fault !== undefined) addIssue({ message: `no policy can allow this source: ${fault}` });
  }),
);

/** A device, or several by a pattern in its last segment. */
const deviceRule = v.pipe(
  absolutePath,
  v.rawCheck(({ dataset, addIssue }) => {
    const fault = dataset.typed ? forbiddenDevice(dataset.value) : undefined;
    if (fault !== undefined) addIssue({ message: `no policy can allow this device: ${fault}` });
  }),
);

/** A directory that may stand in for the host's `/usr`, `/bin`, `/lib…`. */
const rootRule = v.pipe(
  absolutePath,
  v.rawCheck(({ dataset, addIssue }) => {
    const fault = dataset.typed ? forbiddenSource(dataset.value, 'ro') : undefined;
    if (fault !== undefined) addIssue({ message: `no policy can allow this root: ${fault}` });
  }),
);

/** Numbers of users; both included. */
const uidRange = v.pipe(
  v.strictObject({ first: integer(1_000, 2 ** 31 - 1), last: integer(1_000, 2 ** 31 - 1) }),
  v.check(({ first, last }) => first <= last, 'expected "first" not above "last"'),
);

/** Which operator may seal keys for which principals. */
const signerRule = v.strictObject({
  /** The name of a file of `operators/`, without `.pub`. */
  operator: v.pipe(v.string(), v.regex(/^[^/]{1,200}$/, 'expected the name of a file in the operators directory, without ".pub"')),
  principals: v.pipe(
    v.array(v.pipe(v.string(), v.check(isGlob, 'expected a principal such as "iree/amdgpu/pm", or a glob such as "iree/**"'))),
    v.maxLength(POLICY_RULES_MAX),
  ),
});

/** The most that a spec may ask for; bytes. */
const policyLimits = v.strictObject({
  scratchSize: v.optional(integer(4_096, 2 ** 40), 4 * GIB),
  /** Of all that is memory in one spec together, but for the three above: tmpfs mounts, uppers, created directories, `/scratch`. */
  tmpfsSize: v.optional(integer(4_096, 2 ** 40), 4 * GIB),
  /** Bytes; without it three quarters of the machine's. */
  memory: v.optional(integer(16 * MIB, 2 ** 50)),
  pids: v.optional(integer(8, 4_000_000), 16_384),
  /** Ten times everybody's: enough to go first, not enough to starve the rest. */
  cpuWeight: v.optional(integer(1, 10_000), 1_000),
  /** Percent of one core; without it a sandbox may use what nobody else wants. */
  cpuQuota: v.optional(integer(1, 1_000_000)),
  ioWeight: v.optional(integer(1, 10_000), 1_000),
  openFiles: v.optional(integer(32, 1_048_576), 65_536),
  fileSize: v.optional(integer(4_096, 2 ** 50), 1_024 * GIB),
});

/**
 * `/etc/bureau/launcher.json`: what the machine's owner lets sandboxes have, whatever a daemon asks for. Plain JSON, root's; unknown
 * keys are errors, so that a misspelt rule is never a rule that is missing.
 */
export const launcherPolicy = v.strictObject({
  v: v.literal(1),
  binds: v.optional(v.pipe(v.array(bindRule), v.maxLength(POLICY_RULES_MAX)), []),
  /** Devices that a spec may have (`{"type":"device"}`, `gpu`). */
  devices: v.optional(v.pipe(v.array(deviceRule), v.maxLength(POLICY_RULES_MAX)), []),
  /** Directories that a spec may name as its `root`. */
  roots: v.optional(v.pipe(v.array(rootRule), v.maxLength(POLICY_RULES_MAX)), []),
  /** Who may sign bundles; absent: every operator pinned on this machine, for every principal. An empty list: nobody. */
  signers: v.optional(v.pipe(v.array(signerRule), v.maxLength(POLICY_RULES_MAX))),
  /** No payload runs under another uid, whatever `/etc/bureau/uids` says. */
  uids: v.optional(uidRange),
  limits: v.optional(policyLimits, {}),
  /** Profiles of system calls that a spec may name. `debug` lets payloads trace their own children. */
  profiles: v.optional(v.array(sandboxProfile), ['strict', 'default']),
  /** False: no secret is ever shown to a payload as a file, whatever bundles say. */
  secretFiles: v.optional(v.boolean(), true),
});
export type LauncherPolicy = v.InferOutput<typeof launcherPolicy>;

/** The policy of a machine without a file: nothing of the host may be bound. */
export function defaultPolicy(): LauncherPolicy {
  return v.parse(launcherPolicy, { v: 1 });
}

/**
 * Reads the policy; a missing file gives the default one. Throws `file_malformed` (with the field), `file_too_large`, and
 * `policy_unsafe` when the file is a link or others than root may write it: then it is not root's word.
 */
export function readPolicy(path: string): LauncherPolicy {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return defaultPolicy();
  if (!found.isFile() || found.uid !== 0 || (found.mode & 0o022) !== 0) {
    throw new BureauError(
      'policy_unsafe',
      `Refused to use ${path}: expected a regular file of root's that only root can write. Run: chown root: ${path} && chmod 0644 ${path}`,
      {
        data: { path },
      },
    );
  }
  return readJson(path, launcherPolicy, POLICY_FILE_MAX_BYTES);
}

function isGlob(pattern: string): boolean {
  try {
    parseGlob(pattern);
    return true;
  } catch {
    return false;
  }
}
