// SPDX-License-Identifier: Apache-2.0
/**
 * From a sandbox spec to a running bubblewrap and back to nothing: the wall (arguments, seccomp, policy) is pure; the launcher's
 * lifecycle creates, watches, stops and finds again.
 */
export { Launcher } from './launcher.ts';
export type { CreateInput, LauncherDeps, WallFacts } from './launcher-deps.ts';
export { FAULT_POINTS, noFaults } from './faults.ts';
export type { FaultPoint, FaultPoints } from './faults.ts';
export { auditRefused, launcherHandlers } from './launcher-service.ts';
export type { LauncherIdentity } from './launcher-service.ts';
export { LauncherCredentials } from './launcher-credentials.ts';
export type { LauncherCredentialsDeps } from './launcher-credentials.ts';
export { rehearseUnseal } from './rehearse-unseal.ts';
export { openWall } from './launcher-wall.ts';
export { bwrapLine } from './bwrap-line.ts';
export type { BwrapLineParts } from './bwrap-line.ts';
export { explainSandbox } from './explain.ts';
export { decideForSpec } from './explain-spec.ts';
export { readPlanFile } from './plan-file.ts';
export type { DecidedSandbox } from './plan-file.ts';
export { openNumbers } from './open-numbers.ts';
export { migrateIdentity, openMachineIdentity, readIdentitySettings } from './machine-identity.ts';
export { IDENTITY_STORES, identityFile, unavailable } from './machine-identity-stores.ts';
export type { MachineIdentity } from './machine-identity.ts';
export type { BwrapArguments, SandboxPlan } from './bwrap-arguments.ts';
export type { LauncherPolicy } from './policy-file.ts';
export type { Judgement, PolicyRule } from './policy.ts';
