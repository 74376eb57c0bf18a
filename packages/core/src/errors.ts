// SPDX-License-Identifier: Apache-2.0

/** Causes that one line tells: more says no more. */
const CAUSES_MAX = 5;

/** Plain facts that travel with an error: paths, names, numbers. Never a secret. */
export type ErrorData = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface BureauErrorOptions {
  readonly data?: ErrorData;
  readonly cause?: unknown;
}

/**
 * Every error that leaves a package of ours. Match on `code` (stable, snake_case), never on the message.
 * The message says what was expected, what was found and what to do, in one or two sentences.
 */
export class BureauError extends Error {
  override readonly name: string = 'BureauError';
  readonly code: string;
  readonly data: ErrorData;

  constructor(code: string, message: string, options: BureauErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.data = options.data ?? {};
  }
}

/** The caller gave something that cannot be right: a bad name, an unknown option, a missing argument. */
export class UsageError extends BureauError {
  override readonly name: string = 'UsageError';
}

/** True when `error` is one of ours with this code; works across processes, where classes are lost. */
export function hasCode(error: unknown, code: string): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** One line for a log or a terminal: the message and the chain of causes, without stacks. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  // Counted, because a chain of causes may be a ring.
  for (let depth = 0; depth < CAUSES_MAX && current !== undefined && current !== null; depth += 1) {
    const text =
      current instanceof Error ? current.message : typeof current === 'object' ? 'something that is not an error' : String(current);
    // A message that quotes its cause has said it already.
    if (!parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}
