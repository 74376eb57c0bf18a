// SPDX-License-Identifier: Apache-2.0
import { BureauError, type PrincipalName } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';
import type { BundleHeader, RelayConfig, SandboxSpec } from '@bureau/protocol';
import { bwrapOptions } from './bwrap-arguments.ts';
import { readHostFacts } from './host-facts.ts';
import type { CreateInput, LauncherDeps, WallFacts } from './launcher-deps.ts';
import { resolveMountSources } from './mount-source.ts';
import { readPolicy, type LauncherPolicy } from './policy-file.ts';
import { judgeSpec, type PolicyRule } from './policy.ts';
import { effectiveLimits, processLimits, readMachine, refusedResource, unenforceable, type EffectiveLimits } from './resource-limits.ts';
import { hostnameOf, writeRootFiles } from './root-files.ts';
import { seccompPrograms } from './seccomp-profiles.ts';
import { seccompArchitecture } from './seccomp.ts';

/** Reads the host once and assembles the seccomp programs. */
export function openWall(paths: InstancePaths, architecture: string): WallFacts {
  return {
    seccomp: seccompPrograms(seccompArchitecture(architecture)),
    host: readHostFacts(),
    policyFile: paths.policyFile,
  };
}

/** What one sandbox is started with. */
export interface PlannedSandbox {
  readonly config: RelayConfig;
  /** Of the payload's control group. */
  readonly limits: EffectiveLimits;
}

/**
 * The launcher's own judgement and the relay's instructions. Policy is read anew each time: what root wrote a moment ago counts.
 * Throws `spec_refused` with the rule's name, `mount_refused`.
 */
export function planSandbox(input: CreateInput, number: number, header: BundleHeader, deps: LauncherDeps): PlannedSandbox {
  const { paths, uids, wall, build } = deps;
  const { principal, spec } = input;
  const policy = readPolicy(wall.policyFile);
  const judgement = judgeSpec(spec, policy, header);
  if (!judgement.ok) throw refused(principal, judgement.rule, judgement.message);
  const limits = judgeResources(spec, policy, deps, principal);
  resolveMountSources(spec);
  const places = paths.principal(number);
  const uid = uids.payload(number);
  const rootFilesDirectory = `${places.directory}/etc`;
  const hostname = hostnameOf(principal);
  writeRootFiles(rootFilesDirectory, { uid, gid: uid, hostname });
  const { options, command } = bwrapOptions({
    spec,
    principal,
    uid,
    gid: uid,
    agentDirectory: places.agentDirectory,
    bridgeProgram: `${deps.buildDirectory}/bin/bureau-bridge`,
    workspaceDirectory: paths.workspaceOf(principal),
    rootFilesDirectory,
    hostname,
    host: wall.host,
  });
  const config: RelayConfig = {
    v: 1,
    build,
    principal,
    options,
    command,
    limits: processLimits(limits),
    seccomp: wall.seccomp[spec.profile],
    terminal: spec.terminal,
    holdForObserver: input.holdForObserver,
    exitFile: places.exitFile,
    allowedUids: [0, uids.daemon],
  };
  return { config, limits };
}

function judgeResources(
  { resources }: SandboxSpec,
  policy: LauncherPolicy,
  { tree }: LauncherDeps,
  principal: PrincipalName,
): EffectiveLimits {
  const machine = readMachine();
  const tooMuch = refusedResource(resources, policy.limits, machine);
  if (tooMuch !== undefined) throw refused(principal, 'resource_limit', tooMuch);
  const impossible = unenforceable(resources, tree.controllers);
  if (impossible !== undefined) throw refused(principal, 'resource_unenforceable', impossible);
  return effectiveLimits(resources, policy.limits, machine);
}

function refused(principal: PrincipalName, rule: PolicyRule, message: string): BureauError {
  return new BureauError('spec_refused', `The launcher's policy refuses this sandbox by its rule "${rule}": ${message}`, {
    data: { rule, principal },
  });
}
