// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';
import type { BundleHeader, SandboxSpec } from '@bureau/protocol';
import type { SandboxPlan } from './bwrap-arguments.ts';
import { readRootEntries, type HostFacts } from './host-facts.ts';
import { planMounts } from './mount-planner.ts';
import type { OpenMountSources } from './mount-source.ts';
import type { LauncherPolicy } from './policy-file.ts';
import { demand, judgeSpec, judgeUid } from './policy.ts';
import { hostnameOf } from './root-files.ts';
import { expandSpec, type SpecVariables } from './spec-variables.ts';

/** Whom and what is decided on, and by which rules. */
export interface DecideInput {
  readonly principal: PrincipalName;
  /** As it was asked for: variables not yet replaced. */
  readonly spec: SandboxSpec;
  /** The principal's, for life. */
  readonly number: number;
  readonly uid: number;
  readonly paths: InstancePaths;
  readonly policy: LauncherPolicy;
  readonly header: Pick<BundleHeader, 'allowed_specs'>;
  /** Of this build. */
  readonly buildDirectory: string;
  readonly host: HostFacts;
  /** The copy of the `/etc` of this root (empty: the host's). */
  readonly hostEtcOf: (root: string) => string;
  readonly variables: SpecVariables;
}

/**
 * Judges a spec and says what becomes of it; opens its mount sources into `sources`, writes nothing. The launcher goes on from here, and
 * `sandbox explain` shows it. Throws `spec_refused` with the rule's name, `mount_refused`, `root_refused`.
 */
export function decideSandbox(input: DecideInput, sources: OpenMountSources): SandboxPlan {
  const { principal, number, uid, paths, policy } = input;
  const own = { PRINCIPAL_NAME: principal, BUREAU_BIN: `${input.buildDirectory}/bin` };
  const spec = expandSpec(input.spec, { ...input.variables, ...own });
  demand(judgeSpec(spec, policy, input.header, input.spec), principal);
  demand(judgeUid(uid, policy), principal);
  const places = paths.principal(number);
  const mounts = planMounts(
    spec,
    policy,
    { overlayDirectory: `${places.directory}/overlay`, keptDirectory: (name) => `${paths.stateDir}/overlay/${number}/${name}` },
    sources,
  );
  const root = spec.root?.type === 'directory' ? spec.root.path : '';
  return {
    spec,
    mounts,
    principal,
    uid,
    gid: uid,
    agentDirectory: places.agentDirectory,
    toolsDirectory: `${input.buildDirectory}/inside`,
    workspaceDirectory: paths.workspaceOf(principal),
    ...(spec.scratch === 'disk' ? { scratchDirectory: `${paths.stateDir}/scratch/${number}` } : {}),
    rootFilesDirectory: places.rootDirectory,
    hostEtcDirectory: input.hostEtcOf(root),
    hostname: hostnameOf(principal),
    host: root === '' ? input.host : { ...input.host, rootEntries: readRootEntries(root) },
  };
}
