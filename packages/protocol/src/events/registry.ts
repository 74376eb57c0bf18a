// SPDX-License-Identifier: Apache-2.0
import { EVENT_TYPES, assignmentContent, credentialsContent, machineStatusContent, templateContent } from '../events.ts';
import { auditContent, authorizationContent, temporalGrantContent } from './authorization.ts';
import { commandContent, commandResultContent, notificationContent } from './conversation.ts';
import type { EventDefinition } from './definition.ts';
import { machineConfigContent, machineInfoContent, machineKeyContent, machineLoadContent } from './machine.ts';
import { layoutContent, serviceBindingContent, serviceContent } from './service.ts';

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
  version: 1,
  schema: templateContent,
} as const satisfies EventDefinition;

const OTHERS: readonly EventDefinition[] = [
  {
    type: EVENT_TYPES.machineKey,
    summary: 'The key that bundles for the machine are sealed to; pinned when the machine is provisioned',
    rooms: ['config', 'machine'],
    stateKey: 'machine user',
    writer: 'machine',
    version: 1,
    schema: machineKeyContent,
  },
  {
    type: 'm.bureau.machine_info',
    summary: 'What the machine is made of',
    rooms: ['config'],
    stateKey: 'machine user',
    writer: 'machine',
    version: 1,
    reserved: true,
    schema: machineInfoContent,
  },
  {
    type: EVENT_TYPES.machineStatus,
    summary: 'What the machine says of each principal',
    rooms: ['config'],
    stateKey: 'machine user',
    writer: 'machine',
    version: 1,
    schema: machineStatusContent,
  },
  {
    type: 'm.bureau.machine_load',
    summary: 'How busy the machine and its principals are',
    rooms: ['config'],
    stateKey: 'machine user',
    writer: 'machine',
    version: 1,
    reserved: true,
    schema: machineLoadContent,
  },
  {
    type: 'm.bureau.machine_config',
    summary: 'Labels of the machine, and whether it takes anything new',
    rooms: ['config'],
    stateKey: 'empty',
    writer: 'operator',
    version: 1,
    reserved: true,
    schema: machineConfigContent,
  },
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
  {
    type: 'm.room.message, msgtype m.bureau.command',
    summary: 'A request to a machine; the power level of its sender in the room decides',
    rooms: ['any room of the sender'],
    stateKey: 'none',
    writer: 'member',
    version: 1,
    reserved: true,
    schema: commandContent,
  },
  {
    type: 'm.room.message, msgtype m.bureau.command_result',
    summary: 'The answer, in the thread of its command',
    rooms: ['any room of the sender'],
    stateKey: 'none',
    writer: 'machine',
    version: 1,
    reserved: true,
    schema: commandResultContent,
  },
  {
    type: 'm.room.message, msgtype m.bureau.notification',
    summary: 'Something that happened to a principal, told once',
    rooms: ['config'],
    stateKey: 'none',
    writer: 'machine',
    version: 1,
    reserved: true,
    schema: notificationContent,
  },
];

/** Every event type of ours that one machine needs. */
export const EVENTS: readonly EventDefinition[] = [ASSIGNMENT, CREDENTIALS, TEMPLATE, ...OTHERS];
