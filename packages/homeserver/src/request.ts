// SPDX-License-Identifier: Apache-2.0
import { BureauError, describeError } from '@bureau/core';
import { request } from 'undici';
import { REQUEST_DEADLINE_MS, RESPONSE_MAX_BYTES } from './limits.ts';

export interface HomeserverAnswer {
  readonly status: number;
  /** The JSON object of the answer; empty when there was none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface HomeserverRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query, percent-encoded by the caller. */
  readonly path: string;
  readonly body?: unknown;
  readonly token?: string;
  readonly deadlineMilliseconds?: number;
  readonly signal?: AbortSignal | undefined;
}

/** One JSON request to the embedded homeserver, whatever its status. Throws `homeserver_unreachable`; quotes neither bodies nor tokens. */
export async function ask(url: string, options: HomeserverRequest): Promise<HomeserverAnswer> {
  const deadline = AbortSignal.timeout(options.deadlineMilliseconds ?? REQUEST_DEADLINE_MS);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  try {
    const response = await request(new URL(options.path, url), {
      method: options.method,
      headers: {
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      signal,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > RESPONSE_MAX_BYTES) throw new Error(`the answer is longer than ${RESPONSE_MAX_BYTES} bytes`);
      chunks.push(chunk);
    }
    return { status: response.statusCode, body: object(Buffer.concat(chunks).toString('utf8')) };
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason;
    const path = options.path.replace(/\?.*/s, '');
    throw new BureauError(
      'homeserver_unreachable',
      `Expected an answer from the homeserver at ${url} to ${options.method} ${path}: ${describeError(error)}`,
      { data: { url, path } },
    );
  }
}

function object(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
