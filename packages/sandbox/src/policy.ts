// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import type { BundleHeader, Mount, SandboxSpec } from '@bureau/protocol';
import { isWithin, judgeDestinations } from './mount-destinations.ts';
import type { LauncherPolicy } from './policy-file.ts';
import { forbiddenSource } from './policy-sources.ts';
import { specDigest } from './spec-digest.ts';

/** The names of the rules; stable, they stand in audit records. */
export type PolicyRule =
  | 'allowed_specs'
  | 'environment_reserved'
  | 'mount_destination'
  | 'mount_source_forbidden'
  | 'mount_source_not_listed'
  | 'mount_source_read_only'
  | 'profile_not_allowed'
  | 'resource_limit'
  | 'resource_unenforceable'
  | 'scratch_size'
  | 'tmpfs_size';

/** A refusal is an expected outcome: a value, not an error. `message` says what was found and what would be right. */
export type Judgement = { readonly ok: true } | { readonly ok: false; readonly rule: PolicyRule; readonly message: string };

/**
 * The launcher's own judgement on what a daemon asks for (which may be a stolen one): the machine's policy, and what the bundle's
 * signer allowed. Pure: `resolveMountSources` looks at the files afterwards.
 */
export function judgeSpec(spec: SandboxSpec, policy: LauncherPolicy, header: Pick<BundleHeader, 'allowed_specs'>): Judgement {
  return (
    judgeDigest(spec, header) ??
    judgeLimits(spec, policy) ??
    judgeProfile(spec, policy) ??
    judgeEnvironment(spec) ??
    judgeMounts(spec, policy) ?? { ok: true }
  );
}

function judgeDigest(spec: SandboxSpec, { allowed_specs: allowed }: Pick<BundleHeader, 'allowed_specs'>): Judgement | undefined {
  if (allowed === undefined) return undefined;
  const digest = specDigest(spec);
  return allowed.includes(digest)
    ? undefined
    : refused('allowed_specs', `the credential bundle allows ${allowed.length} specs and this one (sha256 ${digest}) is none of them`);
}

function judgeLimits(spec: SandboxSpec, { limits }: LauncherPolicy): Judgement | undefined {
  if (spec.scratchSize > limits.scratchSize) {
    return refused(
      'scratch_size',
      `scratchSize is ${spec.scratchSize} bytes and this machine allows ${limits.scratchSize} (limits.scratchSize in its policy)`,
    );
  }
  const tmpfs = spec.mounts.reduce((total, mount) => total + (mount.type === 'tmpfs' ? mount.size : 0), 0);
  if (tmpfs <= limits.tmpfsSize) return undefined;
  return refused(
    'tmpfs_size',
    `the tmpfs mounts take ${tmpfs} bytes together and this machine allows ${limits.tmpfsSize} (limits.tmpfsSize in its policy)`,
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

function judgeEnvironment(spec: SandboxSpec): Judgement | undefined {
  const name = Object.keys(spec.environment).find((key) => key.startsWith('BUREAU_'));
  return name === undefined
    ? undefined
    : refused('environment_reserved', `environment.${name}: names that start with "BUREAU_" are set by Bureau`);
}

function judgeMounts(spec: SandboxSpec, policy: LauncherPolicy): Judgement | undefined {
  try {
    judgeDestinations(spec.mounts);
  } catch (error) {
    if (error instanceof BureauError && error.code === 'mount_refused') return refused('mount_destination', error.message);
    throw error;
  }
  for (const [index, mount] of spec.mounts.entries()) {
    const judgement = mount.type === 'bind' ? judgeSource(mount, `mounts[${index}].source`, policy) : undefined;
    if (judgement !== undefined) return judgement;
  }
  return undefined;
}

function judgeSource({ source, mode }: Extract<Mount, { type: 'bind' }>, field: string, policy: LauncherPolicy): Judgement | undefined {
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

function refused(rule: PolicyRule, message: string): Judgement {
  return { ok: false, rule, message };
}
