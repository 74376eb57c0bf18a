// SPDX-License-Identifier: Apache-2.0
import type { RoomId } from '@bureau/core';
import * as v from 'valibot';
import { Problem } from '../problem.ts';
import type { RouteCall, RouteServices } from '../router.ts';
import { withAccount, type MatrixAccount } from './account.ts';
import { eventId, transactionId } from './schemas.ts';

const sent = v.object({ event_id: eventId });

/** An event that is about to be sent. */
export interface Outgoing {
  readonly type: string;
  readonly content: unknown;
  /** From the body; the header `Idempotency-Key` means the same. */
  readonly transactionId: string | undefined;
}

/**
 * Sends an event to a room in its turn. The same transaction ID again sends nothing twice and gives the same event.
 * Throws what `permittedRoom` throws, 413 `message_too_large`, and problems that carry the transaction ID: whether the event was sent is
 * unknown after a 502 or 504, and with it another try is safe.
 */
export async function sendToRoom(
  call: Pick<RouteCall<never>, 'signal' | 'trace' | 'params' | 'header'>,
  services: RouteServices,
  { type, content, transactionId: given }: Outgoing,
): Promise<string> {
  const text = call.params['room'] ?? '';
  const transaction = chooseTransaction(given, call.header('idempotency-key')) ?? services.randomId();
  checkSize(content, services);
  try {
    const room = await withAccount(call, services, (account) => account.permittedRoom('matrix/send', text));
    return await services.rooms.run(room, call.signal(), () =>
      withAccount(call, services, (account) => sendOnce(account, room, text, ['send', type, transaction], content)),
    );
  } catch (error) {
    throw withTransaction(error, transaction);
  }
}

async function sendOnce(
  account: MatrixAccount,
  room: RoomId,
  named: string,
  place: readonly [string, string, string],
  content: unknown,
): Promise<string> {
  try {
    const path = ['rooms', room, ...place];
    return (await account.request(sent, { method: 'PUT', path, body: content, idempotent: true })).event_id;
  } catch (error) {
    // The alias may lead elsewhere by now.
    if (error instanceof Problem && (error.status === 403 || error.status === 404)) account.forgetAlias(named);
    throw error;
  }
}

/** One identifier from two places. Throws the `Problem`s 400 `invalid_field` and `transaction_mismatch`. */
function chooseTransaction(given: string | undefined, header: string | undefined): string | undefined {
  if (header === undefined) return given;
  if (!v.is(transactionId, header)) {
    throw new Problem(400, 'invalid_field', 'Expected an Idempotency-Key of 1 to 64 of A-Z, a-z, 0-9, "_", "." and "-".', {
      extensions: { field: 'Idempotency-Key' },
    });
  }
  if (given !== undefined && given !== header)
    throw new Problem(400, 'transaction_mismatch', 'Expected transaction_id and Idempotency-Key to agree; send one of them.');
  return header;
}

/** Throws the `Problem` 413 `message_too_large`. */
export function checkSize(content: unknown, { limits }: Pick<RouteServices, 'limits'>): void {
  const size = Buffer.byteLength(JSON.stringify(content));
  if (size <= limits.messageBytes) return;
  throw new Problem(
    413,
    'message_too_large',
    `Expected a message of at most ${limits.messageBytes} bytes as JSON (limit messageBytes), found ${size}; send it in parts.`,
    { extensions: { limit: limits.messageBytes } },
  );
}

function withTransaction(error: unknown, transaction: string): unknown {
  if (!(error instanceof Problem)) return error;
  return new Problem(error.status, error.code, error.message, {
    extensions: { ...error.extensions, transaction_id: transaction },
    headers: error.headers,
    close: error.close,
    cause: error.cause,
  });
}
