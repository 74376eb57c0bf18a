// SPDX-License-Identifier: Apache-2.0
/**
 * Every shape that crosses a wall, written once as a schema; types derive from it, and the receiver validates with it before use.
 *
 * @example
 * ```ts
 * import * as v from 'valibot';
 * import { sandboxSpec } from '@bureau/protocol';
 *
 * const spec = v.parse(sandboxSpec, { v: 1, command: ['/bin/true'] });
 * // spec.directory === '/workspace'
 * ```
 */
export { call, stream } from './contract.ts';
export type { CallContract, CallName, ChunkOf, Contract, InputOf, OutputOf, StreamContract, StreamName } from './contract.ts';
export {
  absolutePath,
  bytes,
  digest,
  integer,
  localpart,
  machineName,
  principalName,
  principalNumber,
  roomId,
  serverName,
  signalName,
  text,
  timestamp,
  userId,
} from './scalars.ts';
export type { SignalName } from './scalars.ts';
export { ARGUMENT_MAX, environmentName, exitReport, sandboxProfile, sandboxResources, sandboxSpec } from './sandbox-spec.ts';
export type { ExitReport, SandboxProfile, SandboxResources, SandboxSpec } from './sandbox-spec.ts';
export { BUNDLE_MAX_BYTES, launcherContract, sandboxId } from './launcher-contract.ts';
export type { ResourceFinding, SandboxInfo } from './launcher-contract.ts';
export { HEALTH_REASON_MAX, healthCheck } from './health-check.ts';
export type { HealthCheck, HealthFinding, HealthProbe, HealthState } from './health-check.ts';
export { MOUNT_SOURCE_FD, TERMINAL_CHUNK_MAX, relayConfig, relayContract, relayReport } from './relay-contract.ts';
export type { MountSource, OutputChunk, OverlayPlan, RelayConfig, RelayReport } from './relay-contract.ts';
export { encodeStartPlan } from './start-plan.ts';
export type { ProcessLimitsPlan, StartPlan } from './start-plan.ts';
export type { Mount } from './sandbox-mounts.ts';
export { pathFault } from './sandbox-text.ts';
export { HEADER_MAX_BYTES, SECRETS_MAX_BYTES, proxyContract } from './proxy-contract.ts';
export { serviceStatus, standContract } from './stand-contract.ts';
export type { ServiceStatus } from './stand-contract.ts';
export { PAGE_MAX, REFUSED_SHOWN, daemonContract, plannedAction } from './daemon-contract.ts';
export type { PlannedAction } from './daemon-contract.ts';
export { EVENT_TYPES, assignmentContent, credentialsContent, restartPolicy } from './events.ts';
export type { AssignmentContent } from './events.ts';
export { templateContent, templateName, templateVersion } from './events/template.ts';
export type { TemplateContent } from './events/template.ts';
export { principalStatus } from './events/principal-status.ts';
export type { MachineStatusContent, PrincipalState, PrincipalStatus } from './events/principal-status.ts';
export { startCondition } from './events/start-condition.ts';
export type { StartCondition } from './events/start-condition.ts';
export { matchesContent } from './content-match.ts';
export { ACCESS_LOG_FILES_MAX, accessLine, accessLogFile } from './access-line.ts';
export type { AccessLine } from './access-line.ts';
export type { EgressRule } from './egress.ts';
export type { PrincipalLimits } from './proxy-limits.ts';
export { BUNDLE_LIFE_MAX, BUNDLE_SIGNATURE_CONTEXT, BUNDLE_SKEW_MAX, bundleHeader } from './bundle.ts';
export type { BundleHeader } from './bundle.ts';
export { DEFAULT_AUTHORIZATION, authorizationList } from './authorization.ts';
export type { AuthorizationList, AuthorizationRule } from './authorization.ts';
export { fillPlaceholders, placeholdersIn } from './response-interceptor.ts';
export type { ResponseInterceptor } from './response-interceptor.ts';
export { secretName, secretsOfUpstream } from './upstream.ts';
export type { UpstreamRule } from './upstream.ts';
export { readEvent, requireWritable } from './events/definition.ts';
export type { EventDefinition } from './events/definition.ts';
export { ASSIGNMENT, CREDENTIALS, EVENTS, PRINCIPAL_STATUS, TEMPLATE } from './events/registry.ts';
export {
  MACHINE_CONFIG,
  MACHINE_INFO,
  MACHINE_KEY,
  MACHINE_LOAD,
  MACHINE_PROVISION,
  MACHINE_REVOCATION,
} from './events/machine-definitions.ts';
export { machineInfoContent, machineLabels, machineLoadContent } from './events/machine.ts';
export type {
  MachineConfigContent,
  MachineInfoContent,
  MachineLoadContent,
  MachineProvisionContent,
  MachineRevocationContent,
} from './events/machine.ts';
export { COMMAND, COMMAND_RESULT } from './events/conversation-definitions.ts';
