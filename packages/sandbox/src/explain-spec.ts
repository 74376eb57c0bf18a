// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';
import type { SandboxSpec } from '@bureau/protocol';
import { decideSandbox } from './decide-sandbox.ts';
import { readHostFacts } from './host-facts.ts';
import { fixedVariables } from './launcher-wall.ts';
import { OpenMountSources } from './mount-source.ts';
import type { DecidedSandbox } from './plan-file.ts';
import { readPolicy } from './policy-file.ts';
import { refusal } from './policy.ts';
import { relayMounts } from './relay-mounts.ts';
import { effectiveLimits, readMachine, refusedResource } from './resource-limits.ts';
import type { SpecVariables } from './spec-variables.ts';

/** Whose sandbox it would be. */
export interface ExplainSpecInput {
  readonly spec: SandboxSpec;
  readonly principal: PrincipalName;
  readonly number: number;
  readonly uid: number;
  readonly paths: InstancePaths;
  readonly buildDirectory: string;
  readonly variables: SpecVariables;
}

/**
 * What the launcher of this machine would decide about a spec, without a launcher and without writing anything; what only it knows (the
 * bundle, what this host's cgroups can hold) is left out. Throws like the launcher would: `spec_refused`, `mount_refused`, `root_refused`.
 */
export function decideForSpec({ spec, principal, number, uid, paths, buildDirectory, variables }: ExplainSpecInput): DecidedSandbox {
  using sources = new OpenMountSources();
  const policy = readPolicy(paths.policyFile);
  const plan = decideSandbox(
    {
      principal,
      spec,
      number,
      uid,
      paths,
      policy,
      header: {},
      buildDirectory,
      host: readHostFacts(),
      hostEtcOf: (root) => `${paths.runDir}/.etc/<copy of ${root}/etc>`,
      variables: { ...fixedVariables(paths), ...variables },
    },
    sources,
  );
  const machine = readMachine();
  const tooMuch = refusedResource(spec.resources, policy.limits, machine);
  if (tooMuch !== undefined) throw refusal('resource_limit', tooMuch, principal);
  const limits = effectiveLimits(spec.resources, policy.limits, machine);
  return { plan, sources: sources.sources.map(({ path }) => path), overlays: relayMounts(plan, sources).overlays, limits, policy };
}
