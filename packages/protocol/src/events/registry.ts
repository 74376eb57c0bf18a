// SPDX-License-Identifier: Apache-2.0
import { EVENT_TYPES, assignmentContent, credentialsContent } from '../events.ts';
import { auditContent, authorizationContent, temporalGrantContent } from './authorization.ts';
import { COMMAND, COMMAND_RESULT, NOTIFICATION } from './conversation-definitions.ts';
import type { EventDefinition } from './definition.ts';
import {
  MACHINE_CONFIG,
  MACHINE_INFO,
  MACHINE_KEY,
  MACHINE_LOAD,
  MACHINE_PROVISION,
  MACHINE_REVOCATION,
  MACHINE_STATUS,
} from './machine-definitions.ts';
import { principalStatusContent } from './principal-status.ts';
import { layoutContent, serviceBindingContent, serviceContent } from './service.ts';
import { templateContent } from './template.ts';

/** m.bureau.assignment. */
export const ASSIGNMENT = {
  type: EVENT_TYPES.assignment,
  summary: 'What shall run for one principal on this machine; empty: nothing',
  rooms: ['config'],
  stateKey: 'principal',
  writer: 'operator',
  version: 1,
  schema: assignmentContent,
} as const satisfies EventDefinition;

/** m.bureau.credentials. */
export const CREDENTIALS = {
  type: EVENT_TYPES.credentials,
  summary: "The principal's sealed bundle: ciphertext, for the machine and the escrow key alone",
  rooms: ['config'],
  stateKey: 'principal',
  writer: 'operator',
  version: 1,
  schema: credentialsContent,
} as const satisfies EventDefinition;

/** m.bureau.template. */
export const TEMPLATE = {
  type: EVENT_TYPES.template,
  summary: 'A sandbox that assignments refer to by name',
  rooms: ['template'],
  stateKey: 'template',
  writer: 'operator',
  version: 2,
  schema: templateContent,
} as const satisfies EventDefinition;

/** m.bureau.principal_status. Its key cannot be guarded by Matrix as a user ID is: a reader takes it from the room's machine alone. */
export const PRINCIPAL_STATUS = {
  type: EVENT_TYPES.principalStatus,
  summary: 'What the machine says of one principal; counts when the room’s machine has sent it; empty: nothing',
  rooms: ['config'],
  stateKey: 'principal',
  writer: 'machine',
  version: 1,
  schema: principalStatusContent,
} as const satisfies EventDefinition;

const OTHERS: readonly EventDefinition[] = [
  {
    type: 'm.bureau.authorization',
    summary: 'Grants and denials of every principal of the machine',
    rooms: ['config'],
    stateKey: 'empty',
    writer: 'operator',
    version: 1,
    reserved: true,
    schema: authorizationContent,
  },
  {
    type: 'm.bureau.temporal_grant',
    summary: 'A grant that ends by itself; empty: taken back',
    rooms: ['config'],
    stateKey: 'identifier',
    writer: 'operator',
    version: 1,
    reserved: true,
    schema: temporalGrantContent,
  },
  {
    type: 'm.bureau.audit',
    summary: 'A decision of the machine that somebody may have to look up',
    rooms: ['config'],
    stateKey: 'none',
    writer: 'machine',
    version: 1,
    reserved: true,
    schema: auditContent,
  },
  {
    type: 'm.bureau.service',
    summary: 'A service that the sender gives; empty: no more',
    rooms: ['service'],
    stateKey: 'user',
    writer: 'principal',
    version: 1,
    reserved: true,
    schema: serviceContent,
  },
  {
    type: 'm.bureau.service_binding',
    summary: 'Which principal serves a role for the agents of this machine',
    rooms: ['config'],
    stateKey: 'identifier',
    writer: 'operator',
    version: 1,
    reserved: true,
    schema: serviceBindingContent,
  },
  {
    type: 'm.bureau.layout',
    summary: 'How an operator watches the principals of this machine',
    rooms: ['config'],
    stateKey: 'identifier',
    writer: 'operator',
    version: 1,
    reserved: true,
    schema: layoutContent,
  },
];

/** Every event type of ours that one machine needs. */
export const EVENTS: readonly EventDefinition[] = [
  ASSIGNMENT,
  CREDENTIALS,
  TEMPLATE,
  PRINCIPAL_STATUS,
  MACHINE_KEY,
  MACHINE_INFO,
  MACHINE_STATUS,
  MACHINE_LOAD,
  MACHINE_CONFIG,
  MACHINE_PROVISION,
  MACHINE_REVOCATION,
  ...OTHERS,
  COMMAND,
  COMMAND_RESULT,
  NOTIFICATION,
];
