// SPDX-License-Identifier: Apache-2.0

/** A proxy's refusal, or an upstream's answer of 400 and above. Match on `code`. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  /** The status of the answer. */
  readonly status: number;
  /** The proxy's stable code (`upstream_rule_refused`); `upstream_error` when the answer is the upstream's own. */
  readonly code: string;
  /** What else the proxy said: the rule that refused, what would allow it, a limit. Empty for an upstream's answer. */
  readonly details: Readonly<Record<string, unknown>>;
  /** The answer's body as text. */
  readonly body: string;

  constructor(status: number, body: string, contentType: string) {
    const details = contentType.startsWith('application/problem+json') ? problemOf(body) : undefined;
    const code = typeof details?.['code'] === 'string' ? details['code'] : 'upstream_error';
    super(typeof details?.['detail'] === 'string' ? details['detail'] : `The upstream answered ${status}`);
    this.status = status;
    this.code = code;
    this.details = details ?? {};
    this.body = body;
  }
}

function problemOf(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
