// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { authorizationList } from './authorization.ts';
import { startCondition } from './events/start-condition.ts';
import { healthCheck } from './health-check.ts';
import { jsonObject } from './json-object.ts';
import { BUNDLE_MAX_BYTES } from './launcher-contract.ts';
import { ARGUMENTS_MAX, ARGUMENT_MAX, environmentName } from './sandbox-spec.ts';
import { templateName } from './events/template.ts';
import { integer, principalName, text } from './scalars.ts';

/** Types of our Matrix events. State keys: a localpart for what operators say of a principal, a full user ID for what one says of itself. */
export const EVENT_TYPES = {
  /** Machine config room, key = principal: what shall run here. */
  assignment: 'm.bureau.assignment',
  /** Machine config room, key = principal: its sealed bundle. */
  credentials: 'm.bureau.credentials',
  /** `#bureau/template`, key = template name. */
  template: 'm.bureau.template',
  /** Machine config room and `#bureau/machine`, key = the machine's full user ID. */
  machineKey: 'm.bureau.machine_key',
  /** Machine config room, key = the machine's full user ID. */
  machineStatus: 'm.bureau.machine_status',
  /** Machine config room, key = the machine's full user ID: what it is made of. */
  machineInfo: 'm.bureau.machine_info',
  /** Machine config room, key = the machine's full user ID: how busy it is. */
  machineLoad: 'm.bureau.machine_load',
  /** Machine config room, empty key: labels, cordon, drain. */
  machineConfig: 'm.bureau.machine_config',
  /** Machine config room, empty key: its account and pinned key. */
  machineProvision: 'm.bureau.machine_provision',
  /** Machine config room, empty key: it is not trusted any more. */
  machineRevocation: 'm.bureau.machine_revocation',
  /** Machine config room, key = principal; counts when the room's machine has sent it. */
  principalStatus: 'm.bureau.principal_status',
} as const;

/** When what ended is started again; see `assignmentContent`. */
export const restartPolicy = v.picklist(['always', 'on-failure', 'never']);

/** m.bureau.assignment. An empty content (`{}`) means that there is none. */
export const assignmentContent = v.object({
  v: v.literal(1),
  principal: principalName,
  template: v.optional(templateName, 'default'),
  /** `stopped` keeps the assignment but runs nothing. */
  desired: v.optional(v.picklist(['running', 'stopped']), 'running'),
  /** Grows by one to start it afresh. */
  generation: v.optional(integer(0, Number.MAX_SAFE_INTEGER), 0),
  command: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(ARGUMENT_MAX))), v.maxLength(ARGUMENTS_MAX)), []),
  environment: v.optional(v.record(environmentName, v.pipe(v.string(), v.maxLength(ARGUMENT_MAX))), {}),
  /**
   * When it is started again after it ended. `always` · `on-failure`: until it ends with 0 · `never`: once for each generation, whatever comes
   * between. What has ended for good stays so until the generation is raised, over every restart of machine and daemon.
   */
  restart: v.optional(restartPolicy, 'always'),
  /** It is started only while this holds; what runs goes on when it holds no more. The event's content becomes `trigger.json`. */
  startWhen: v.optional(startCondition),
  /**
   * What a change of template or assignment does to what runs. `replace`: it ends in order, then the new one starts · `guarded`: the new one
   * is judged before the old one ends, and the old one comes back when the new one does not stay up (ADR 0018).
   */
  update: v.optional(v.picklist(['replace', 'guarded'])),
  /** How the machine finds out whether it is well; instead of the template's, whole. */
  healthCheck: v.optional(healthCheck),
  /** Ends in a row, each soon after its start, before it is left alone. */
  quarantineAfter: v.optional(integer(1, 100)),
  /** What it is told to do; a running one is told anew, not started afresh. */
  payload: v.optional(jsonObject),
  /** A run: wanted only while the command line that asked for it is there. */
  run: v.optional(v.object({ id: v.pipe(v.string(), v.regex(/^[a-z0-9]{8,40}$/)), terminal: v.boolean() })),
  /** What it may do; in force in its proxy at once, without a restart. Absent: `DEFAULT_AUTHORIZATION`. */
  authorization: v.optional(authorizationList),
  /** Reserved for policy `require_signed`. */
  signature: v.optional(v.string()),
});
export type AssignmentContent = v.InferOutput<typeof assignmentContent>;

/** m.bureau.credentials. Matrix carries ciphertext only. */
export const credentialsContent = v.object({
  v: v.literal(1),
  principal: principalName,
  /** base64 (standard alphabet) of the age file. */
  bundle: v.pipe(v.string(), v.maxLength(Math.ceil(BUNDLE_MAX_BYTES / 3) * 4), v.base64()),
  /** Whom it is sealed to, so that an operator sees when a machine's key has changed. */
  recipients: v.optional(v.pipe(v.array(text(200)), v.maxLength(8)), []),
});
