// SPDX-License-Identifier: Apache-2.0

/** Facts of a problem that a program can use: a path, a number of milliseconds, an identifier. Never a secret. */
export type ProblemExtensions = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export interface ProblemOptions {
  readonly extensions?: ProblemExtensions;
  /** Further response headers, lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection's state is no longer known or no longer wanted. */
  readonly close?: boolean;
  /** For the log only. */
  readonly cause?: unknown;
}

/**
 * What an agent is told instead of an answer (RFC 9457). Throw it anywhere below a route.
 * `status` is never 401: agents retry that for a minute; a denial is 403 and says why and what would allow it.
 * `detail` says what was expected, what was found and what to do; it is made of our words and checked facts.
 */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly code: string;
  readonly extensions: ProblemExtensions;
  readonly headers: Readonly<Record<string, string>>;
  readonly close: boolean;

  constructor(status: number, code: string, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.extensions = options.extensions ?? {};
    this.headers = options.headers ?? {};
    this.close = options.close ?? false;
  }
}

/** The media type of a problem. */
export const PROBLEM_TYPE = 'application/problem+json';

/**
 * The body of a problem. `type` is a name, not an address; `title` is the code in words, so the same for each occurrence. `explain` is the command
 * by which an operator is told more.
 */
export function problemBody(problem: Problem, traceId: string, explain?: string): string {
  const title = problem.code.replaceAll('_', ' ');
  return JSON.stringify({
    ...problem.extensions,
    type: `urn:bureau:problem:${problem.code}`,
    title: title.charAt(0).toUpperCase() + title.slice(1),
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    explain,
    trace_id: traceId,
  });
}

/** Quotes what an agent sent, short and without control characters. */
export function quoted(value: string, longest = 100): string {
  return JSON.stringify(value.length > longest ? `${value.slice(0, longest)}…` : value);
}
