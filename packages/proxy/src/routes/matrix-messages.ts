// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { MatrixAccount, parseRoom, type MessageContent } from '../matrix.ts';
import { Problem } from '../problem.ts';
import { defineRoute, type RouteCall, type RouteServices } from '../router.ts';

const message = v.strictObject({
  body: v.pipe(
    v.string(),
    v.minLength(1, 'expected some text'),
    v.check((text) => text.isWellFormed(), 'expected text without half surrogate pairs'),
  ),
  msgtype: v.optional(v.picklist(['m.text', 'm.notice', 'm.emote']), 'm.text'),
  transaction_id: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected 1 to 64 of A-Z, a-z, 0-9, "_", "." and "-"'),
      v.check((id) => id !== '.' && id !== '..', 'expected something else than "." and "..", which servers read as directories'),
    ),
  ),
});

/** Sends a message as the principal. The same `transaction_id` again sends nothing twice and gives the same event. */
export const matrixMessages = defineRoute({
  method: 'POST',
  path: '/v1/matrix/rooms/{room}/messages',
  service: 'matrix',
  summary: 'Sends a message to a room, named by ID or alias',
  body: message,
  handle: async (call, services) => {
    const room = parseRoom(call.params['room'] ?? '');
    const content = contentOf(call.body, services);
    const transactionId = call.body.transaction_id ?? services.randomId();
    // Taken only now, with the whole body here: a slow body never holds old keys.
    using lease = services.store.lease();
    const account = new MatrixAccount({
      lease,
      aliases: services.aliases,
      reasonCharacters: services.limits.reasonCharacters,
      signal: call.signal(),
      trace: call.trace,
    });
    try {
      return { status: 200, body: { event_id: await account.sendMessage(room, content, transactionId) } };
    } catch (error) {
      throw withTransaction(error, transactionId);
    }
  },
});

function contentOf(body: RouteCall<v.InferOutput<typeof message>>['body'], { limits }: RouteServices): MessageContent {
  const content: MessageContent = { msgtype: body.msgtype, body: body.body };
  const size = Buffer.byteLength(JSON.stringify(content));
  if (size <= limits.messageBytes) return content;
  throw new Problem(
    413,
    'message_too_large',
    `Expected a message of at most ${limits.messageBytes} bytes as JSON (limit messageBytes), found ${size}; send it in parts.`,
    { extensions: { limit: limits.messageBytes } },
  );
}

/** Whether the message was sent is unknown after a 502 or 504: the identifier makes another try safe. */
function withTransaction(error: unknown, transactionId: string): unknown {
  if (!(error instanceof Problem)) return error;
  return new Problem(error.status, error.code, error.message, {
    extensions: { ...error.extensions, transaction_id: transactionId },
    headers: error.headers,
    close: error.close,
    cause: error.cause,
  });
}
