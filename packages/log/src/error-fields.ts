// SPDX-License-Identifier: Apache-2.0
import { BureauError } from '@bureau/core';
import { LOG_CAUSES_MAX, LOG_TEXT_MAX } from './limits.ts';

/** How an error stands in a log. */
export interface ErrorFields {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  /** Facts of one of our errors. */
  readonly data?: unknown;
  readonly syscall?: string;
  readonly stack?: string;
  readonly causes?: readonly ErrorFields[];
}

/**
 * An error as plain fields, its causes in a flat list. Only known fields are taken: an HTTP client's errors carry whole requests,
 * keys included. A stack is written for errors that are not ours (they are bugs), and for ours only when `withStacks`.
 */
export function errorFields(
  error: Error,
  withStacks: boolean,
  redact: (value: unknown, depth: number, withStacks: boolean) => unknown,
): ErrorFields {
  const causes: ErrorFields[] = [];
  const waiting = causesOf(error);
  const seen = new Set<unknown>([error]);
  while (waiting.length > 0 && causes.length < LOG_CAUSES_MAX) {
    const cause = waiting.shift();
    if (seen.has(cause)) continue;
    seen.add(cause);
    causes.push(
      cause instanceof Error
        ? single(cause, withStacks, redact)
        : { type: typeof cause, message: bounded(typeof cause === 'string' ? cause : '') },
    );
    if (cause instanceof Error) waiting.push(...causesOf(cause));
  }
  const own = single(error, withStacks, redact);
  return causes.length === 0 ? own : { ...own, causes };
}

function single(error: Error, withStacks: boolean, redact: (value: unknown, depth: number, withStacks: boolean) => unknown): ErrorFields {
  const ours = error instanceof BureauError;
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  return {
    type: bounded(String(error.name)),
    message: bounded(String(error.message)),
    ...(typeof code === 'string' ? { code: bounded(code) } : {}),
    ...(ours && Object.keys(error.data).length > 0 ? { data: redact(error.data, 1, withStacks) } : {}),
    ...(typeof syscall === 'string' ? { syscall: bounded(syscall) } : {}),
    ...((withStacks || !ours) && typeof error.stack === 'string' ? { stack: bounded(error.stack) } : {}),
  };
}

function causesOf(error: Error): unknown[] {
  const several = error instanceof AggregateError ? error.errors.slice(0, LOG_CAUSES_MAX) : [];
  return error.cause === undefined ? several : [error.cause, ...several];
}

function bounded(text: string): string {
  return text.length > LOG_TEXT_MAX ? `${text.slice(0, LOG_TEXT_MAX)}…` : text;
}
