// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';

const CALL_MILLISECONDS = 20_000;

export interface MatrixRequest {
  readonly method?: string;
  readonly body?: unknown;
  /** Instead of the operator's. */
  readonly token?: string;
}

export interface MatrixAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** The `KEY=value` lines of a credential file. */
export function readCredentials(path: string): Map<string, string> {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.includes('=') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const));
}

/** A call of the homeserver as the operator, by plain fetch: none of our own code between a test and what is there. */
export async function matrixCall(
  facts: { readonly homeserver: string; readonly credential_file: string },
  path: string,
  request: MatrixRequest = {},
): Promise<MatrixAnswer> {
  const token = request.token ?? readCredentials(facts.credential_file).get('MATRIX_ADMIN_TOKEN') ?? '';
  const response = await fetch(`${facts.homeserver}${path}`, {
    method: request.method ?? 'GET',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    signal: AbortSignal.timeout(CALL_MILLISECONDS),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
