// SPDX-License-Identifier: Apache-2.0
import { EVENT_TYPES } from '../events.ts';
import type { EventDefinition } from './definition.ts';
import {
  machineConfigContent,
  machineInfoContent,
  machineKeyContent,
  machineLoadContent,
  machineProvisionContent,
  machineRevocationContent,
} from './machine.ts';
import { machineStatusContent } from './principal-status.ts';

/** m.bureau.machine_key. */
export const MACHINE_KEY = {
  type: EVENT_TYPES.machineKey,
  summary: 'The key that bundles for the machine are sealed to; pinned when the machine is provisioned',
  rooms: ['config', 'machine'],
  stateKey: 'machine user',
  writer: 'machine',
  version: 1,
  schema: machineKeyContent,
} as const satisfies EventDefinition;

/** m.bureau.machine_info. */
export const MACHINE_INFO = {
  type: EVENT_TYPES.machineInfo,
  summary: 'What the machine is made of; written when it has changed',
  rooms: ['config'],
  stateKey: 'machine user',
  writer: 'machine',
  version: 1,
  schema: machineInfoContent,
} as const satisfies EventDefinition;

/** m.bureau.machine_status. */
export const MACHINE_STATUS = {
  type: EVENT_TYPES.machineStatus,
  summary: 'How the machine is, and how many principals are in which state',
  rooms: ['config'],
  stateKey: 'machine user',
  writer: 'machine',
  version: 2,
  schema: machineStatusContent,
} as const satisfies EventDefinition;

/** m.bureau.machine_load. */
export const MACHINE_LOAD = {
  type: EVENT_TYPES.machineLoad,
  summary:
    'How busy the machine and its principals are; written when it has changed by more than a dead band, and after ten minutes of silence',
  rooms: ['config'],
  stateKey: 'machine user',
  writer: 'machine',
  version: 1,
  schema: machineLoadContent,
} as const satisfies EventDefinition;

/** m.bureau.machine_config. */
export const MACHINE_CONFIG = {
  type: EVENT_TYPES.machineConfig,
  summary: 'Labels of the machine, and whether it takes anything new; empty: no labels, and it does',
  rooms: ['config'],
  stateKey: 'empty',
  writer: 'operator',
  version: 1,
  schema: machineConfigContent,
} as const satisfies EventDefinition;

/** m.bureau.machine_provision. */
export const MACHINE_PROVISION = {
  type: EVENT_TYPES.machineProvision,
  summary: 'Which account the room belongs to, and the key that operators have pinned for it',
  rooms: ['config'],
  stateKey: 'empty',
  writer: 'operator',
  version: 1,
  schema: machineProvisionContent,
} as const satisfies EventDefinition;

/** m.bureau.machine_revocation. */
export const MACHINE_REVOCATION = {
  type: EVENT_TYPES.machineRevocation,
  summary: 'The machine is not trusted any more: it ends every sandbox when it sees this; empty: taken back',
  rooms: ['config'],
  stateKey: 'empty',
  writer: 'operator',
  version: 1,
  schema: machineRevocationContent,
} as const satisfies EventDefinition;
