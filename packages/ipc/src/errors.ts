// SPDX-License-Identifier: Apache-2.0
import { BureauError, type ErrorData } from '@bureau/core';
import { ERROR_DATA_FIELDS_MAX, ERROR_DATA_LIST_MAX, ERROR_DATA_TEXT_MAX, ERROR_MESSAGE_MAX } from './limits.ts';

/** An error as it travels. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly data: Record<string, string | number | boolean | null | string[]>;
}

/** The transport is gone: nobody knows whether what was asked happened. */
export function connectionLost(why: string, cause?: unknown): BureauError {
  return new BureauError('connection_lost', `The connection is gone: ${why}. Connect again.`, cause === undefined ? {} : { cause });
}

/** The peer broke the rules of the wire. */
export function malformed(what: string): BureauError {
  return new BureauError('malformed_frame', `Refused a frame: ${what}.`);
}

/** Nobody waits for the answer any more. */
export function cancelled(what: string, cause?: unknown): BureauError {
  return new BureauError('cancelled', `${what} was cancelled by its caller.`, cause === undefined ? {} : { cause });
}

/** The time that the caller gave is over. */
export function deadlineExceeded(what: string, milliseconds: number): BureauError {
  return new BureauError('deadline_exceeded', `${what} had no answer within ${milliseconds} ms.`, { data: { milliseconds } });
}

/** Speaks another version of the wire. */
export function protocolMismatch(ours: number, theirs: number, role: string): BureauError {
  return new BureauError(
    'protocol_mismatch',
    `Expected IPC protocol ${ours}, but "${role}" speaks ${theirs}. Run both from the same build.`,
    {
      data: { expected: ours, found: theirs },
    },
  );
}

/** One of ours as it goes on the wire: bounded, well-formed text, plain data. */
export function toWire(error: BureauError): WireError {
  const code = /^[a-z][a-z0-9_]{0,63}$/.test(error.code) ? error.code : 'internal';
  return { code, message: bounded(error.message, ERROR_MESSAGE_MAX), data: boundedData(error.data) };
}

/** The error that a peer sent. */
export function fromWire(error: { readonly code: string; readonly message: string; readonly data: ErrorData }): BureauError {
  return new BureauError(error.code, error.message, { data: error.data });
}

function bounded(text: string, longest: number): string {
  return (text.length > longest ? `${text.slice(0, longest - 1)}…` : text).toWellFormed();
}

function boundedData(data: ErrorData): WireError['data'] {
  const entries: [string, WireError['data'][string]][] = [];
  for (const [key, value] of Object.entries(data).slice(0, ERROR_DATA_FIELDS_MAX)) {
    if (!/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(key) || key === 'constructor' || key === 'prototype') continue;
    if (typeof value === 'string') entries.push([key, bounded(value, ERROR_DATA_TEXT_MAX)]);
    else if (Array.isArray(value))
      entries.push([key, value.slice(0, ERROR_DATA_LIST_MAX).map((entry) => bounded(String(entry), ERROR_DATA_TEXT_MAX))]);
    else if (value === null || typeof value === 'boolean') entries.push([key, value]);
    else if (typeof value === 'number' && Number.isFinite(value)) entries.push([key, value]);
  }
  return Object.fromEntries(entries);
}
