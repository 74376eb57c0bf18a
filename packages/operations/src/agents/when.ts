// SPDX-License-Identifier: Apache-2.0
import { UsageError, parseRoomAlias } from '@bureau/core';
import { startCondition, type StartCondition } from '@bureau/protocol';
import * as v from 'valibot';
import type { Operator } from '../operator.ts';
import { parseObject } from './json-argument.ts';

/**
 * A start condition from a command line: the event's own field as JSON, whose room may be an alias here. That is resolved now and by this
 * operator, and the room's ID is what is written: whoever moves the alias later changes nothing. Throws `invalid_condition`.
 */
export async function parseWhen(text: string, operator: Operator, signal: AbortSignal): Promise<StartCondition> {
  const given = parseObject(text, 'invalid_condition');
  const parsed = v.safeParse(startCondition, { ...given, ...(await pinned(given['room'], operator, signal)) });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new UsageError(
    'invalid_condition',
    `Cannot use this as a start condition: ${v.getDotPath(issue) ?? 'it'}: ${issue.message}; write for example '{"room": "#iree/general:server", "type": "m.bureau.example", "match": {"ready": true}}'`,
  );
}

async function pinned(room: unknown, operator: Operator, signal: AbortSignal): Promise<{ room?: string; alias?: string }> {
  if (typeof room !== 'string' || !room.startsWith('#')) return {};
  const alias = parseRoomAlias(room);
  const id = await operator.client.resolveAlias(alias, { signal });
  if (id === undefined)
    throw new UsageError('invalid_condition', `Cannot wait for something in ${alias}: there is no such room`, { data: { alias } });
  return { room: id, alias };
}
