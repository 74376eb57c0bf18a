// SPDX-License-Identifier: Apache-2.0
import type { PrincipalName } from '@bureau/core';
import type { InstancePaths } from '@bureau/instance';
import { encodeFrame } from '@bureau/ipc';
import type { BundleHeader, RelayConfig, SandboxSpec, StartPlan } from '@bureau/protocol';
import { bwrapOptions, type SandboxPlan } from './bwrap-arguments.ts';
import { bwrapLine } from './bwrap-line.ts';
import { decideSandbox } from './decide-sandbox.ts';
import { HostEtc } from './host-etc.ts';
import { readHostFacts } from './host-facts.ts';
import type { CreateInput, LauncherDeps, WallFacts } from './launcher-deps.ts';
import { PROXY_SOCKET, WORKSPACE } from './layout.ts';
import { OpenMountSources } from './mount-source.ts';
import { writePlanFile, type DecidedSandbox } from './plan-file.ts';
import { makePlaces } from './plan-places.ts';
import { readPolicy, type LauncherPolicy } from './policy-file.ts';
import { relayMounts } from './relay-mounts.ts';
import { refusal } from './policy.ts';
import { RootCopies } from './root-copies.ts';
import { effectiveLimits, processLimits, readMachine, refusedResource, unenforceable, type EffectiveLimits } from './resource-limits.ts';
import { seccompPrograms } from './seccomp-profiles.ts';
import { seccompArchitecture } from './seccomp.ts';
import type { SpecVariables } from './spec-variables.ts';

/** Reads the host once and assembles the seccomp programs. `variables` are those that all sandboxes of this machine have in common. */
export function openWall(paths: InstancePaths, architecture: string, variables: SpecVariables = {}): WallFacts {
  const copies = new Map<string, HostEtc>();
  const hostEtcOf = (root: string): string => {
    const copy = copies.get(root) ?? new HostEtc(`${paths.runDir}/.etc`, `${root}/etc`);
    copies.set(root, copy);
    return copy.current();
  };
  // The first copy takes a moment (some hundred certificates); better now than in the first start of a sandbox.
  hostEtcOf('');
  return {
    seccomp: seccompPrograms(seccompArchitecture(architecture)),
    host: readHostFacts(),
    policyFile: paths.policyFile,
    hostEtcOf,
    roots: new RootCopies(),
    variables: { ...fixedVariables(paths), ...variables },
  };
}

/** What `${…}` means on this instance, whoever the principal is. */
export function fixedVariables(paths: InstancePaths): SpecVariables {
  return {
    WORKSPACE_ROOT: WORKSPACE,
    CACHE_ROOT: `/var/cache/bureau${paths.name === '' ? '' : `-${paths.name}`}`,
    PROXY_SOCKET,
    TERM: 'xterm-256color',
  };
}

/** What the launcher decided for one sandbox. Holds its mount sources open: dispose when the sandbox stands or has failed. */
export interface PlannedSandbox extends Disposable {
  readonly start: StartPlan;
  /** Of the payload's control group. */
  readonly limits: EffectiveLimits;
  /** Makes on disk what bubblewrap mounts. The principal's directories are there. */
  makePlaces(): void;
  /** Leaves there what `sandbox explain` shows. */
  writeDown(): void;
}

/** Whom and what the launcher is asked for. */
interface JudgeInput {
  readonly principal: PrincipalName;
  readonly spec: SandboxSpec;
  readonly number: number;
  readonly header: BundleHeader;
}

/** The launcher's own judgement; opens mount sources into `sources`, writes nothing. Throws `spec_refused`, `mount_refused`, `root_refused`. */
export function judgeSandbox(
  input: JudgeInput,
  deps: LauncherDeps,
  sources: OpenMountSources,
): { readonly plan: SandboxPlan; readonly policy: LauncherPolicy; readonly limits: EffectiveLimits } {
  const { paths, uids, wall, buildDirectory } = deps;
  const policy = readPolicy(wall.policyFile);
  const plan = decideSandbox({ ...input, uid: uids.payload(input.number), paths, policy, buildDirectory, ...wall }, sources);
  return { plan, policy, limits: judgeResources(plan.spec, policy, deps, input.principal) };
}

/**
 * The launcher's own judgement and what bureau-starter is told; makes nothing of this principal's. Policy is read anew each time: what root
 * wrote a moment ago counts. Throws `spec_refused` with the rule's name, `mount_refused`, `root_refused`.
 */
export function planSandbox(input: CreateInput, number: number, header: BundleHeader, deps: LauncherDeps): PlannedSandbox {
  const { paths, uids, wall } = deps;
  using own = new DisposableStack();
  const sources = own.use(new OpenMountSources());
  const { plan, policy, limits } = judgeSandbox({ principal: input.principal, spec: input.spec, number, header }, deps, sources);
  const mounts = relayMounts(plan, sources);
  const { options, command } = bwrapOptions(plan);
  const { terminal } = plan.spec;
  const { holdForObserver } = input;
  const relay: RelayConfig = {
    v: 1,
    build: deps.build,
    principal: input.principal,
    holdForObserver,
    exitFile: paths.principal(number).exitFile,
    allowedUids: [0, uids.daemon],
  };
  const start: StartPlan = {
    line: bwrapLine({ command, terminal, overlays: mounts.overlays, uid: plan.uid }),
    options,
    seccomp: wall.seccomp[plan.spec.profile],
    mountSources: mounts.mountSources,
    devices: mounts.devices,
    terminal,
    holdForObserver,
    limits: processLimits(limits),
    relay: encodeFrame(relay),
  };
  const decided: DecidedSandbox = {
    plan,
    sources: sources.sources.map(({ path }) => path),
    overlays: mounts.overlays,
    limits,
    policy,
    bundle: { allowedSpecs: header.allowed_specs?.length ?? null },
  };
  const held = own.move();
  return {
    start,
    limits,
    makePlaces: () => makePlaces(plan, wall.roots),
    writeDown: () => writePlanFile(paths.principal(number).directory, decided),
    [Symbol.dispose]: () => held.dispose(),
  };
}

function judgeResources(
  { resources }: SandboxSpec,
  policy: LauncherPolicy,
  { tree }: LauncherDeps,
  principal: PrincipalName,
): EffectiveLimits {
  const machine = readMachine();
  const tooMuch = refusedResource(resources, policy.limits, machine);
  if (tooMuch !== undefined) throw refusal('resource_limit', tooMuch, principal);
  const impossible = unenforceable(resources, tree.controllers);
  if (impossible !== undefined) throw refusal('resource_unenforceable', impossible, principal);
  return effectiveLimits(resources, policy.limits, machine);
}
