// SPDX-License-Identifier: Apache-2.0
import { COUNT_MAX, DEADLINE_MAX, NAME_MAX, type ClientMessage, type ServerMessage } from './wire.ts';

/**
 * The messages that make up all of the traffic, recognised without the schemas of `wire.ts`. What comes back is exactly what the schema
 * would give (a property test says so); `undefined` means nothing but "ask the schema".
 */
export function quickClientMessage(raw: unknown): ClientMessage | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const message = raw as Record<string, unknown>;
  const { id, type } = message;
  if (!isId(id)) return undefined;
  if (type === 'request') {
    const { deadline, method } = message;
    if (typeof method !== 'string' || method.length > NAME_MAX || !isCount(deadline, DEADLINE_MAX) || !('input' in message))
      return undefined;
    return countKeys(message) === 5 ? (message as ClientMessage) : undefined;
  }
  if (type === 'credit') return isCount(message['count'], COUNT_MAX) && countKeys(message) === 3 ? (message as ClientMessage) : undefined;
  return undefined;
}

/** As `quickClientMessage`, for the other direction. */
export function quickServerMessage(raw: unknown): ServerMessage | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const message = raw as Record<string, unknown>;
  const { id, type } = message;
  if (!isId(id) || countKeys(message) !== 3) return undefined;
  if (type === 'chunk') return 'chunk' in message ? (message as ServerMessage) : undefined;
  if (type === 'response') return 'output' in message ? (message as ServerMessage) : undefined;
  return undefined;
}

function isId(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

function isCount(value: unknown, most: number): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most;
}

function countKeys(message: object): number {
  let count = 0;
  for (const _ in message) count += 1;
  return count;
}
