// SPDX-License-Identifier: Apache-2.0
import { BODY_MAX, RESULT_MAX_BYTES } from './limits.ts';

/** How a command ended. */
export interface Outcome {
  readonly status: 'success' | 'error';
  readonly body: string;
  readonly code?: string;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly milliseconds: number;
}

/** The answer as a message in the thread of its command. What is too long for an event is left out, and the body says so. Pure. */
export function resultContent(
  command: { readonly event: string; readonly request: string },
  outcome: Outcome,
): Readonly<Record<string, unknown>> {
  const { status, code, result, milliseconds } = outcome;
  const fits = result === undefined || Buffer.byteLength(JSON.stringify(result)) <= RESULT_MAX_BYTES;
  const body = plain(fits ? outcome.body : `${outcome.body}\n(the whole result is longer than an event of Matrix)`);
  return {
    msgtype: 'm.bureau.command_result',
    body,
    v: 1,
    request: command.request,
    status,
    ...(code === undefined ? {} : { code }),
    ...(result === undefined || !fits ? {} : { result }),
    milliseconds: Math.max(0, Math.round(milliseconds)),
    'm.relates_to': { rel_type: 'm.thread', event_id: command.event, is_falling_back: true, 'm.in_reply_to': { event_id: command.event } },
  };
}

/** As the schema of a result takes it: no control characters, bounded. */
function plain(text: string): string {
  const clean = text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '?');
  return clean.length > BODY_MAX ? `${clean.slice(0, BODY_MAX - 1)}…` : clean;
}
