// SPDX-License-Identifier: Apache-2.0
import { commandContent, commandResultContent, notificationContent } from './conversation.ts';
import type { EventDefinition } from './definition.ts';

/** A message with msgtype m.bureau.command. */
export const COMMAND = {
  type: 'm.room.message, msgtype m.bureau.command',
  summary: 'A request to a machine; the power level of its sender in the room decides',
  rooms: ['config'],
  stateKey: 'none',
  writer: 'member',
  version: 1,
  schema: commandContent,
} as const satisfies EventDefinition;

/** A message with msgtype m.bureau.command_result. */
export const COMMAND_RESULT = {
  type: 'm.room.message, msgtype m.bureau.command_result',
  summary: 'The answer, in the thread of its command',
  rooms: ['config'],
  stateKey: 'none',
  writer: 'machine',
  version: 1,
  schema: commandResultContent,
} as const satisfies EventDefinition;

/** A message with msgtype m.bureau.notification. */
export const NOTIFICATION = {
  type: 'm.room.message, msgtype m.bureau.notification',
  summary: 'Something that happened to a principal, told once',
  rooms: ['config'],
  stateKey: 'none',
  writer: 'machine',
  version: 1,
  schema: notificationContent,
} as const satisfies EventDefinition;
