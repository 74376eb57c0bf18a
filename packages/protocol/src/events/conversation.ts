// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { jsonObject } from '../json-object.ts';
import { integer, principalName, text, userId } from '../scalars.ts';

/** Names one request, so that it is carried out once, however often its event is seen. */
const requestId = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{8,64}$/, 'expected 8 to 64 of A-Z, a-z, 0-9, "_" and "-"'));

/** m.room.message with msgtype m.bureau.command: somebody asks a machine to do something; the sender's power level decides. */
export const commandContent = v.object({
  msgtype: v.literal('m.bureau.command'),
  /** For clients that show nothing else. */
  body: text(2_000),
  v: v.literal(1),
  command: v.pipe(v.string(), v.regex(/^[a-z]+(?:\.[a-z]+){1,3}$/, 'expected a command such as "agent.restart"')),
  /** The machine that is meant. */
  machine: userId,
  request: requestId,
  parameters: v.optional(jsonObject, {}),
});

/** m.room.message with msgtype m.bureau.command_result, in the thread of its command. */
export const commandResultContent = v.object({
  msgtype: v.literal('m.bureau.command_result'),
  body: text(8_000),
  v: v.literal(1),
  request: requestId,
  status: v.picklist(['success', 'error', 'accepted']),
  code: v.optional(text(64)),
  result: v.optional(jsonObject),
  milliseconds: integer(0, Number.MAX_SAFE_INTEGER),
});

/** m.room.message with msgtype m.bureau.notification: something that people should see once, not on each try. */
export const notificationContent = v.object({
  msgtype: v.literal('m.bureau.notification'),
  body: text(4_000),
  v: v.literal(1),
  event: v.picklist(['blocked', 'quarantined', 'recovered', 'credentials_rotated', 'sandbox_replaced', 'event_refused', 'drained']),
  principal: v.optional(principalName),
});
