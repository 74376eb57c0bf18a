// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { BureauError } from '@bureau/core';
import type { ChildExit } from './child.ts';
import { LOG_TAIL_BYTES } from './limits.ts';

/** Why a start failed; `reason` travels as `data.reason`. */
export type ChildFailure =
  | { readonly reason: 'not_started'; readonly cause: unknown }
  | { readonly reason: 'exited'; readonly exit: ChildExit }
  | { readonly reason: 'timed_out' }
  | { readonly reason: 'aborted'; readonly cause: unknown }
  | { readonly reason: 'pipe_closed' }
  | { readonly reason: 'not_ready_line'; readonly found: string }
  | { readonly reason: 'said_why'; readonly why: string };

/** What the message needs to know about the start. */
export interface AttemptedStart {
  readonly command: string;
  readonly readyFd: number | undefined;
  readonly readyMilliseconds: number;
  readonly log: LogPosition | undefined;
}

/** A log file and how long it was before the child could write to it. */
export interface LogPosition {
  readonly path: string;
  readonly size: number;
}

/** Remembers where a child's part of a log begins. */
export function logPosition(path: string | undefined): LogPosition | undefined {
  return path === undefined ? undefined : { path, size: statSync(path, { throwIfNoEntry: false })?.size ?? 0 };
}

/** The last 2 KiB that were written to the log since, control characters shown as `?`; empty when there is nothing to read. */
function logTail(log: LogPosition): string {
  let descriptor: number;
  try {
    descriptor = openSync(log.path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(descriptor);
    const from = Math.max(size < log.size ? 0 : log.size, size - LOG_TAIL_BYTES);
    const buffer = Buffer.alloc(LOG_TAIL_BYTES);
    const bytes = readSync(descriptor, buffer, 0, Math.min(LOG_TAIL_BYTES, size - from), from);
    // oxlint-disable-next-line no-control-regex -- what a child wrote must not drive the reader's terminal
    return buffer
      .toString('utf8', 0, bytes)
      .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '?')
      .trim();
  } catch {
    return '';
  } finally {
    closeSync(descriptor);
  }
}

function happened(failure: ChildFailure, start: AttemptedStart): string {
  switch (failure.reason) {
    case 'not_started':
      return 'it could not be started';
    case 'exited':
      return failure.exit.signal === null
        ? `it exited with code ${failure.exit.code} before`
        : `it was ended by ${failure.exit.signal} before`;
    case 'timed_out':
      return `it was not ready in ${start.readyMilliseconds} ms and was killed`;
    case 'aborted':
      return 'the start was cancelled and it was killed';
    case 'pipe_closed':
      return 'it closed the readiness pipe without a word and was killed';
    case 'not_ready_line':
      return `it wrote ${JSON.stringify(failure.found)} instead and was killed`;
    case 'said_why':
      return `it cannot start: ${failure.why}`;
  }
}

function quoted(log: LogPosition): string {
  const tail = logTail(log);
  return tail === '' ? ` Nothing new is in its log ${log.path}.` : ` Its log ${log.path} ends:\n${tail}`;
}

/** The error of a failed start: code `child_failed`; names the command, never its arguments or environment. */
export function childFailed(failure: ChildFailure, start: AttemptedStart): BureauError {
  const expected =
    start.readyFd === undefined
      ? `Expected ${start.command} to start`
      : `Expected ${start.command} to write "ready" to descriptor ${start.readyFd}`;
  const log = start.log === undefined || failure.reason === 'said_why' ? '' : quoted(start.log);
  const exit = failure.reason === 'exited' ? failure.exit : { code: null, signal: null };
  return new BureauError('child_failed', `${expected}, but ${happened(failure, start)}.${log}`, {
    data: { command: start.command, reason: failure.reason, code: exit.code, signal: exit.signal },
    cause: 'cause' in failure ? failure.cause : undefined,
  });
}
