// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { Problem, type ProblemExtensions } from '../problem.ts';
import type { UpstreamAnswer } from '../upstream.ts';

const errorBody = v.object({
  errcode: v.optional(v.pipe(v.string(), v.regex(/^[A-Z0-9_.]{1,64}$/i)), 'M_UNKNOWN'),
  error: v.optional(v.string(), ''),
  retry_after_ms: v.optional(v.pipe(v.number(), v.minValue(0))),
});

export interface MatrixFailure {
  readonly errcode: string;
  readonly reason: string;
  readonly retryAfterMilliseconds: number;
}

/** Shortest and longest pause that an agent is told; a homeserver's own number is used in between. */
const RETRY_SECONDS_LEAST = 1;
const RETRY_SECONDS_MOST = 3_600;

/** What a homeserver's error says, from an answer that may be anything; the reason is short and printable. */
export function readFailure(answer: UpstreamAnswer, longest: number): MatrixFailure {
  const parsed = v.safeParse(errorBody, parseJson(answer.body));
  const body = parsed.success ? parsed.output : { errcode: 'M_UNKNOWN', error: '', retry_after_ms: undefined };
  const header = Number(answer.headers['retry-after']);
  return {
    errcode: body.errcode,
    reason: body.error.replace(/[^\x20-\x7e]+/g, ' ').slice(0, longest),
    retryAfterMilliseconds: body.retry_after_ms ?? (Number.isFinite(header) ? header * 1_000 : 0),
  };
}

/** JSON, or `undefined` when it is none. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** An answer of the homeserver that is no success, as what the agent is told; `user` is its own account, for what to do. */
export function matrixProblem(status: number, failure: MatrixFailure, user: string): Problem {
  const { errcode, reason } = failure;
  const extensions: ProblemExtensions = { errcode };
  const said = reason === '' ? errcode : `${errcode}: ${reason}`;
  if (status === 401) {
    return new Problem(
      502,
      'credentials_rejected',
      `The homeserver refused the key of ${user} (${said}). Calls will fail until an operator has provisioned a new one.`,
      { extensions },
    );
  }
  if (status === 403 && /not (?:in|joined|a member)|isn't (?:in|a member)/i.test(reason)) {
    return new Problem(
      403,
      'matrix_not_joined',
      `${user} is not a member of the room (${said}). Ask an operator or a member to invite it; it can send after it has joined.`,
      { extensions },
    );
  }
  if (status === 403) {
    return new Problem(
      403,
      'matrix_forbidden',
      `The homeserver refused (${said}). If ${user} is not in the room, ask to be invited; if it is, its power level there is too low.`,
      { extensions },
    );
  }
  if (status === 429) return rateLimited(failure, said);
  if (status === 404) {
    return new Problem(
      404,
      'matrix_not_found',
      `The homeserver knows no such room or alias (${said}). Check the spelling, server name included.`,
      { extensions },
    );
  }
  if (status === 413)
    return new Problem(413, 'message_too_large', `The homeserver found the message too large (${said}); send it in parts.`, { extensions });
  if (status >= 400 && status < 500)
    return new Problem(400, 'matrix_refused', `The homeserver refused the request (${said}).`, { extensions });
  if (status >= 500)
    return new Problem(502, 'upstream_failed', `The homeserver failed with status ${status} (${said}); try again later.`, { extensions });
  return new Problem(
    502,
    'upstream_malformed',
    `Expected an answer of the Matrix API, found status ${status}; redirects are not followed. An operator has to check the homeserver's URL in the bundle.`,
  );
}

function rateLimited(failure: MatrixFailure, said: string): Problem {
  const seconds = Math.min(RETRY_SECONDS_MOST, Math.max(RETRY_SECONDS_LEAST, Math.ceil(failure.retryAfterMilliseconds / 1_000)));
  return new Problem(429, 'matrix_rate_limited', `The homeserver asks to wait ${seconds} s (${said}); nothing was sent.`, {
    headers: { 'retry-after': String(seconds) },
    extensions: {
      errcode: failure.errcode,
      retry_after_ms: Math.min(RETRY_SECONDS_MOST * 1_000, Math.ceil(failure.retryAfterMilliseconds)),
    },
  });
}
