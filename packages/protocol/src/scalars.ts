// SPDX-License-Identifier: Apache-2.0
import {
  LOCALPART_MAX_BYTES,
  parseLocalpart,
  parseMachineName,
  parsePrincipalName,
  parseRoomId,
  parseServerName,
  parseUserId,
  type MachineName,
  type PrincipalName,
  type RoomId,
  type ServerName,
  type UserId,
} from '@bureau/core';
import * as v from 'valibot';

/** Runs one of core's `parse…` functions inside a schema and keeps its message. */
function parsed<Value extends string>(parse: (text: string) => Value, longest: number) {
  return v.pipe(
    v.string(),
    v.maxLength(longest, ({ received }) => `expected at most ${longest} characters, found ${received}`),
    v.rawTransform<string, Value>(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value);
      } catch (error) {
        addIssue({ message: error instanceof Error ? error.message : 'invalid' });
        return NEVER;
      }
    }),
  );
}

/** The name of an agent. */
export const principalName: v.GenericSchema<string, PrincipalName> = parsed(parsePrincipalName, LOCALPART_MAX_BYTES);
/** Any localpart of ours, reserved first segments included. */
export const localpart: v.GenericSchema<string, PrincipalName> = parsed(parseLocalpart, LOCALPART_MAX_BYTES);
/** `machine/<name>`. */
export const machineName: v.GenericSchema<string, MachineName> = parsed(parseMachineName, LOCALPART_MAX_BYTES);
/** A Matrix server name. */
export const serverName: v.GenericSchema<string, ServerName> = parsed(parseServerName, 255);
/** A Matrix user ID with a localpart of ours. */
export const userId: v.GenericSchema<string, UserId> = parsed(parseUserId, 255);
/** A Matrix room ID of any room version. */
export const roomId: v.GenericSchema<string, RoomId> = parsed(parseRoomId, 255);

/** Text without control characters but tab and newline; bounded. */
export function text(longest: number) {
  return v.pipe(
    v.string(),
    v.maxLength(longest),
    v.regex(/^[^\u0000-\u0008\u000b-\u001f\u007f]*$/, 'expected text without control characters'),
  );
}

/** Bytes; on the wire msgpack `bin`. */
export function bytes(longest: number): v.GenericSchema<Uint8Array> {
  return v.pipe(
    v.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes'),
    v.check((value) => value.length <= longest, `expected at most ${longest} bytes`),
  );
}

/** An integer between two bounds, both included. */
export function integer(least: number, most: number) {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));
}

/** Milliseconds since the Unix epoch. */
export const timestamp = integer(0, Number.MAX_SAFE_INTEGER);
/** *n*: a principal's number on one instance, its own for life. Relay and payload run as base+16+2n, its proxy as base+17+2n. */
export const principalNumber = integer(0, 32_000);
/** SHA-256 in lower-case hexadecimal. */
export const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits'));
/** An absolute path without `.` or `..` segments, empty segments or NUL. */
export const absolutePath = v.pipe(
  v.string(),
  v.maxLength(4_000),
  v.check(
    (value) => /^(\/[^/\u0000-\u001f\u007f]+)+$/.test(value) && !value.split('/').some((part) => part === '.' || part === '..'),
    'expected an absolute path without "." or ".." segments',
  ),
);
/** A signal that a person may send to a payload. */
export const signalName = v.picklist([
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGTERM',
  'SIGCONT',
  'SIGSTOP',
  'SIGTSTP',
  'SIGWINCH',
]);
export type SignalName = v.InferOutput<typeof signalName>;
/** Columns or rows of a terminal. */
export const terminalSize = integer(1, 5_000);
