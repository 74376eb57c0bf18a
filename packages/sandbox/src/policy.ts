// SPDX-License-Identifier: Apache-2.0
import { dirname } from 'node:path';
import { BureauError } from '@bureau/core';
import type { BundleHeader, Mount, SandboxSpec } from '@bureau/protocol';
import { planDirectories } from './create-directories.ts';
import { isWithin, judgeDestinations } from './mount-destinations.ts';
import { deviceRuleMatches, forbiddenDevice } from './policy-devices.ts';
import type { LauncherPolicy } from './policy-file.ts';
import { forbiddenSource } from './policy-sources.ts';
import { specDigest } from './spec-digest.ts';

/** Bytes of a directory that `createDirectories` makes as a memory file system of its own. */
export const CREATED_DIRECTORY_BYTES = 64 * 1024 * 1024;

/** The names of the rules; stable, they stand in audit records. */
export type PolicyRule =
  | 'allowed_specs'
  | 'device_forbidden'
  | 'device_not_listed'
  | 'environment_reserved'
  | 'mount_destination'
  | 'mount_source_forbidden'
  | 'mount_source_not_listed'
  | 'mount_source_read_only'
  | 'nix_environment'
  | 'profile_not_allowed'
  | 'resource_limit'
  | 'resource_unenforceable'
  | 'root_not_listed'
  | 'scratch_size'
  | 'secret_files'
  | 'tmpfs_size'
  | 'uid_range';

/** A refusal is an expected outcome: a value, not an error. `message` says what was found and what would be right. */
export type Judgement = { readonly ok: true } | Refusal;
export type Refusal = { readonly ok: false; readonly rule: PolicyRule; readonly message: string };

/**
 * The launcher's own judgement on what a daemon asks for (which may be a stolen one): the machine's policy, and what the bundle's
 * signer allowed. `spec` is the one with its variables replaced, `asked` the one that came: a signer lists digests of that. Pure: whoever opens
 * the sources looks at the files afterwards.
 */
export function judgeSpec(
  spec: SandboxSpec,
  policy: LauncherPolicy,
  header: Pick<BundleHeader, 'allowed_specs' | 'files'>,
  asked: SandboxSpec = spec,
): Judgement {
  return (
    judgeDigest(specDigest(asked), header) ??
    judgeSecretFiles(asked, policy, header) ??
    judgeLimits(spec, policy) ??
    judgeProfile(spec, policy) ??
    judgeEnvironment(spec) ??
    judgeRoot(spec, policy) ??
    judgeMounts(spec, policy) ?? { ok: true }
  );
}

/** The uid that a principal's number gives must be one that the machine's owner meant. */
export function judgeUid(uid: number, { uids }: LauncherPolicy): Judgement {
  if (uids === undefined || (uid >= uids.first && uid <= uids.last)) return { ok: true };
  return refused(
    'uid_range',
    `the payload would have uid ${uid}, and this machine allows ${uids.first} to ${uids.last} (uids in its policy)`,
  );
}

/** A device of the host, by name. `field` is what asked for it. */
export function judgeDevice(path: string, field: string, policy: LauncherPolicy): Judgement {
  const shown = `${field} (${JSON.stringify(path.slice(0, 200))})`;
  const fault = forbiddenDevice(path);
  if (fault !== undefined) return refused('device_forbidden', `${shown} may never be given to a sandbox: ${fault}`);
  if (policy.devices.some((rule) => deviceRuleMatches(rule, path))) return { ok: true };
  return refused('device_not_listed', `${shown} is in none of the policy's devices; the machine's owner can add it`);
}

/** A bundle's keys are for the specs that its signer named, if it named any: at a start, and again when they come to a sandbox that runs. */
export function judgeDigest(digest: string, { allowed_specs: allowed }: Pick<BundleHeader, 'allowed_specs'>): Refusal | undefined {
  if (allowed === undefined) return undefined;
  return allowed.includes(digest)
    ? undefined
    : refused('allowed_specs', `the credential bundle allows ${allowed.length} specs and this one (sha256 ${digest}) is none of them`);
}

/**
 * Who reads a secret's file decides what becomes of it: so only a payload that the bundle's signer named by its digest gets one. A
 * stolen daemon would ask for `cat` otherwise, and watch.
 */
function judgeSecretFiles(
  spec: SandboxSpec,
  policy: LauncherPolicy,
  { allowed_specs: allowed, files = {} }: Pick<BundleHeader, 'allowed_specs' | 'files'>,
): Judgement | undefined {
  const wanted = spec.secretFiles ?? [];
  if (wanted.length === 0) return undefined;
  if (!policy.secretFiles)
    return refused('secret_files', 'secretFiles is asked for and this machine shows no secret as a file (secretFiles in its policy)');
  const unknown = wanted.find((name) => !Object.hasOwn(files, name));
  if (unknown !== undefined)
    return refused('secret_files', `secretFiles asks for ${unknown}, which the credential bundle does not show as a file`);
  if (allowed !== undefined) return undefined;
  return refused(
    'secret_files',
    `secretFiles is asked for and the credential bundle has no allowed_specs: secrets are shown to specs that its signer has named only (this one is sha256 ${specDigest(spec)})`,
  );
}

function judgeLimits(spec: SandboxSpec, { limits }: LauncherPolicy): Judgement | undefined {
  if (spec.scratchSize > limits.scratchSize) {
    return refused(
      'scratch_size',
      `scratchSize is ${spec.scratchSize} bytes and this machine allows ${limits.scratchSize} (limits.scratchSize in its policy)`,
    );
  }
  const memory = memoryOf(spec);
  if (memory <= limits.tmpfsSize) return undefined;
  return refused(
    'tmpfs_size',
    `the memory file systems of mounts, createDirectories and scratch take ${memory} bytes together and this machine allows ${limits.tmpfsSize} (limits.tmpfsSize in its policy)`,
  );
}

function judgeProfile({ profile }: SandboxSpec, { profiles }: LauncherPolicy): Judgement | undefined {
  return profiles.includes(profile)
    ? undefined
    : refused(
        'profile_not_allowed',
        `profile is "${profile}" and this machine allows ${profiles.join(', ') || 'none'} (profiles in its policy)`,
      );
}

/** `createDirectories` count as if each had a file system of its own: most that a spec can reach by them. */
function memoryOf(spec: SandboxSpec): number {
  const mounts = spec.mounts.reduce((total, mount) => {
    if (mount.type === 'tmpfs' || (mount.type === 'overlay' && mount.upper === 'tmpfs')) return total + mount.size;
    return total;
  }, 0);
  return mounts + (spec.createDirectories ?? []).length * CREATED_DIRECTORY_BYTES + (spec.scratch === 'memory' ? spec.scratchSize : 0);
}

function judgeEnvironment(spec: SandboxSpec): Judgement | undefined {
  for (const field of ['environment', 'prependVariables'] as const) {
    const name = Object.keys(spec[field] ?? {}).find((key) => key.startsWith('BUREAU_'));
    if (name !== undefined) return refused('environment_reserved', `${field}.${name}: names that start with "BUREAU_" are set by Bureau`);
  }
  return undefined;
}

function judgeRoot({ root }: SandboxSpec, policy: LauncherPolicy): Judgement | undefined {
  if (root?.type === 'directory' && !policy.roots.includes(root.path)) {
    const shown = JSON.stringify(root.path.slice(0, 200));
    return refused('root_not_listed', `root.path (${shown}) is none of the policy's roots; the machine's owner can add it`);
  }
  if (root?.type !== 'nix') return undefined;
  if (!/^\/nix\/store\/[0-9a-z]{32}-[^/]+(\/.+)?$/.test(root.environment)) {
    return refused('nix_environment', `root.environment (${JSON.stringify(root.environment.slice(0, 200))}) is no path of the Nix store`);
  }
  return judgeSource('/nix/store', 'ro', 'root.environment', policy);
}

function judgeMounts(spec: SandboxSpec, policy: LauncherPolicy): Judgement | undefined {
  try {
    const made = planDirectories(spec).flatMap((directory, index) =>
      directory.type === 'memory' ? [{ field: `createDirectories[${index}]`, path: directory.path }] : [],
    );
    judgeDestinations(spec.mounts, [...(spec.root?.type === 'nix' ? [{ field: 'root', path: '/nix/store' }] : []), ...made]);
  } catch (error) {
    if (error instanceof BureauError && error.code === 'mount_refused') return refused('mount_destination', error.message);
    throw error;
  }
  for (const [index, mount] of spec.mounts.entries()) {
    const judgement = judgeMount(mount, `mounts[${index}]`, policy);
    if (judgement !== undefined) return judgement;
  }
  return undefined;
}

function judgeMount(mount: Mount, field: string, policy: LauncherPolicy): Judgement | undefined {
  switch (mount.type) {
    case 'tmpfs':
      return undefined;
    case 'overlay':
      return judgeSource(mount.lower, 'ro', `${field}.lower`, policy);
    case 'device': {
      const judgement = judgeDevice(mount.source, `${field}.source`, policy);
      return judgement.ok ? undefined : judgement;
    }
    case 'bind':
      // What a pattern matches are children of its directory: what may be bound whole may be bound in part.
      return judgeSource(mount.glob === true ? dirname(mount.source) : mount.source, mount.mode, `${field}.source`, policy);
  }
}

/** A place of the host that a bind, an overlay or a match of a pattern would show. `undefined` when the policy allows it. */
export function judgeSource(source: string, mode: 'ro' | 'rw', field: string, policy: LauncherPolicy): Refusal | undefined {
  const shown = `${field} (${JSON.stringify(source.slice(0, 200))})`;
  const fault = forbiddenSource(source, mode);
  if (fault !== undefined) return refused('mount_source_forbidden', `${shown} may never be bound: ${fault}`);
  const rules = policy.binds.filter((rule) => isWithin(source, rule.source));
  if (rules.length === 0)
    return refused('mount_source_not_listed', `${shown} is in none of the policy's binds; the machine's owner can add it`);
  // The nearest rule speaks: a read-only directory inside a writable one stays read-only.
  const nearest = rules.reduce((one, other) => (other.source.length > one.source.length ? other : one));
  if (mode === 'ro' || nearest.mode === 'rw') return undefined;
  return refused('mount_source_read_only', `${shown} is asked for writable, and the policy allows ${nearest.source} read-only`);
}

/** The error that a refusal becomes; its `rule` goes into the audit record. */
export function refusal(rule: PolicyRule, message: string, principal?: string): BureauError {
  return new BureauError('spec_refused', `The launcher's policy refuses this sandbox by its rule "${rule}": ${message}`, {
    data: { rule, ...(principal === undefined ? {} : { principal }) },
  });
}

/** Throws {@link refusal}, when it is one. */
export function demand(judgement: Judgement, principal?: string): void {
  if (!judgement.ok) throw refusal(judgement.rule, judgement.message, principal);
}

function refused(rule: PolicyRule, message: string): Refusal {
  return { ok: false, rule, message };
}
