// SPDX-License-Identifier: Apache-2.0
import { Problem } from '../problem.ts';

/** Why a call to an upstream came to nothing, or to half of something. */
export type FailureKind =
  | 'aborted'
  | 'busy'
  | 'connect_timeout'
  | 'encoded'
  | 'headers_timeout'
  | 'idle_timeout'
  | 'malformed'
  | 'reset'
  | 'too_large'
  | 'truncated'
  | 'unreachable'
  | 'untrusted';

/** A failed call. `detail` is a code or a few words of ours; never a byte of request or answer. */
export class UpstreamFailure extends Error {
  override readonly name = 'UpstreamFailure';
  readonly kind: FailureKind;
  readonly code: string;

  constructor(kind: FailureKind, detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.code = detail;
  }
}

/** What a socket's error means. Codes only: Node's messages name addresses and certificates. */
export function failureOfSocket(error: unknown, connected: boolean): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no reason given';
  if (/^(CERT_|ERR_TLS_CERT|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|CRL_)/.test(code))
    return new UpstreamFailure('untrusted', code, error);
  return new UpstreamFailure(connected ? 'reset' : 'unreachable', code, error);
}

/** What is told about each kind: status, code, what was expected, what to do. */
const TOLD: Readonly<Record<FailureKind, readonly [status: number, code: string, text: (where: string, detail: string) => string]>> = {
  aborted: [502, 'upstream_aborted', (where, detail) => `The call to ${where} was ended (${detail}).`],
  busy: [
    503,
    'upstream_busy',
    (where, detail) => `Every connection to ${where} is in use (${detail}); end some streams, or try again in a moment.`,
  ],
  connect_timeout: [504, 'upstream_timeout', (where, detail) => `Expected a connection to ${where} within ${detail}; try again later.`],
  encoded: [
    502,
    'upstream_encoded',
    (where, detail) =>
      `Expected an answer of ${where} as it is, since it is searched for keys, found content coding ${detail}; an operator can leave the search out by "redact_bodies": false.`,
  ],
  headers_timeout: [
    504,
    'upstream_timeout',
    (where, detail) => `Expected the head of an answer of ${where} within ${detail}; try again later.`,
  ],
  idle_timeout: [504, 'upstream_timeout', (where, detail) => `${where} went silent for ${detail}; try again later.`],
  malformed: [502, 'upstream_malformed', (where, detail) => `${where} did not answer in valid HTTP (${detail}).`],
  reset: [
    502,
    'upstream_reset',
    (where, detail) => `${where} closed the connection before its answer (${detail}); whether it did what was asked is not known.`,
  ],
  too_large: [502, 'upstream_answer_too_large', (where, detail) => `Expected an answer of ${where} with ${detail}, found more.`],
  truncated: [502, 'upstream_truncated', (where, detail) => `${where} ended its answer too early (${detail}).`],
  unreachable: [502, 'upstream_unreachable', (where, detail) => `Cannot reach ${where} (${detail}); try again later.`],
  untrusted: [
    502,
    'upstream_untrusted',
    (where, detail) => `The TLS certificate of ${where} was refused (${detail}); an operator has to look at the server.`,
  ],
};

/** The problem that an agent is told. `where` names the service and its origin. */
export function problemOfFailure(failure: UpstreamFailure, where: string): Problem {
  const [status, code, text] = TOLD[failure.kind];
  const headers = status === 503 ? { 'retry-after': '1' } : {};
  return new Problem(status, code, text(where, failure.code), { cause: failure, headers, extensions: { reason: failure.code } });
}
