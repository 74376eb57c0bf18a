// SPDX-License-Identifier: Apache-2.0
import { UsageError } from './errors.ts';

/** A string that only its `parse…` function makes. */
export type Branded<Name extends string> = string & { readonly __brand: Name };

/** `iree/amdgpu/pm`: at once a Matrix localpart, a socket path, a room alias and a permission glob. */
export type PrincipalName = Branded<'PrincipalName'>;
/** `machine/workstation`: the principal name of a machine. */
export type MachineName = Branded<'MachineName'>;
/** `[a-z0-9]{1,12}`, or the empty string for the default instance. */
export type InstanceName = Branded<'InstanceName'>;
/** `bureau.local`, `example.org:8448`. */
export type ServerName = Branded<'ServerName'>;
/** `@iree/amdgpu/pm:bureau.local`. */
export type UserId = Branded<'UserId'>;
/** `!opaque` (room version 12) or `!opaque:server` (11 and before). */
export type RoomId = Branded<'RoomId'>;
/** `#iree/amdgpu/general:bureau.local`. */
export type RoomAlias = Branded<'RoomAlias'>;

/** Bytes of a localpart, everywhere: keeps every socket path below the kernel's 107. */
export const LOCALPART_MAX_BYTES = 80;
/** Bytes of a whole Matrix identifier (the specification's number). */
export const MATRIX_ID_MAX_BYTES = 255;
/** First segments that no agent may have: they name our own parts. */
export const RESERVED_FIRST_SEGMENTS: readonly string[] = ['bureau', 'bureau-admin', 'machine', 'service', 'fleet'];

const SEGMENT = /^[a-z0-9=-][a-z0-9._=-]*$/;
const SERVER = /^[a-zA-Z0-9.-]+(:[0-9]{1,5})?$|^\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?$/;

/** Why `text` is not a localpart of ours, or `undefined` when it is one. */
function localpartFault(text: string): string | undefined {
  if (text.length === 0) return 'it is empty';
  if (utf8Length(text) > LOCALPART_MAX_BYTES) return `it is longer than ${LOCALPART_MAX_BYTES} bytes`;
  if (/^[0-9]+$/.test(text)) return 'it is all digits, which homeservers keep for guests';
  for (const segment of text.split('/')) {
    if (segment.length === 0) return 'it has an empty segment';
    if (!SEGMENT.test(segment)) return `segment ${JSON.stringify(segment)} is not [a-z0-9._=-] without a leading "." or "_"`;
    if (segment.endsWith('.sock')) return `segment ${JSON.stringify(segment)} ends in ".sock", which names sockets`;
  }
  return undefined;
}

/** Bytes of a string that may hold anything, without node:buffer (this layer is pure). */
function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

function refuse(kind: string, text: string, fault: string): never {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  throw new UsageError('invalid_name', `Cannot use ${JSON.stringify(shown)} as a ${kind}: ${fault}`, { data: { kind } });
}

/** Any localpart of ours, reserved first segments included. Throws `invalid_name`. */
export function parseLocalpart(text: string): PrincipalName {
  const fault = localpartFault(text);
  return fault === undefined ? (text as PrincipalName) : refuse('principal name', text, fault);
}

/** The name of an agent: a localpart whose first segment is not reserved, and that no command takes for an option. Throws `invalid_name`. */
export function parsePrincipalName(text: string): PrincipalName {
  const name = parseLocalpart(text);
  if (name.startsWith('-')) refuse('principal name', text, 'it begins with "-", which commands take for an option');
  const first = name.split('/')[0] ?? '';
  if (RESERVED_FIRST_SEGMENTS.includes(first)) {
    refuse('principal name', text, `names that start with "${first}" belong to Bureau itself; choose another first segment`);
  }
  return name;
}

/** `machine/<name>`. Throws `invalid_name`. */
export function parseMachineName(text: string): MachineName {
  const fault = localpartFault(text);
  if (fault !== undefined) refuse('machine name', text, fault);
  if (!/^machine\/[^/]+$/.test(text)) refuse('machine name', text, 'expected "machine/<name>"');
  return text as string as MachineName;
}

/** The empty string (default instance) or `[a-z0-9]{1,12}`. Throws `invalid_name`. */
export function parseInstanceName(text: string): InstanceName {
  if (text !== '' && !/^[a-z0-9]{1,12}$/.test(text)) refuse('instance name', text, 'expected 1 to 12 of a-z and 0-9');
  return text as InstanceName;
}

/** A Matrix server name. Throws `invalid_name`. */
export function parseServerName(text: string): ServerName {
  if (text.length > MATRIX_ID_MAX_BYTES || !SERVER.test(text)) refuse('server name', text, 'expected a host name with an optional port');
  return text as ServerName;
}

/** `@localpart:server` with a localpart of ours. Throws `invalid_name`. */
export function parseUserId(text: string): UserId {
  checkMatrixId('user ID', '@', text);
  return text as UserId;
}

/** A room ID of any room version. Throws `invalid_name`. */
export function parseRoomId(text: string): RoomId {
  if (!/^![A-Za-z0-9._~=/+-]{1,200}(:[^\s]+)?$/.test(text) || utf8Length(text) > MATRIX_ID_MAX_BYTES) {
    refuse('room ID', text, 'expected "!opaque" or "!opaque:server"');
  }
  return text as RoomId;
}

/** `#localpart:server` with a localpart of ours (room aliases share the grammar of names). Throws `invalid_name`. */
export function parseRoomAlias(text: string): RoomAlias {
  checkMatrixId('room alias', '#', text);
  return text as RoomAlias;
}

/** Throws `invalid_name` unless the text is the sigil, a localpart of ours, `:` and a server name. */
function checkMatrixId(what: string, sigil: '@' | '#', text: string): void {
  const at = text.indexOf(':');
  if (!text.startsWith(sigil) || at < 0) refuse(what, text, `expected "${sigil}name:server"`);
  if (utf8Length(text) > MATRIX_ID_MAX_BYTES) refuse(what, text, `it is longer than ${MATRIX_ID_MAX_BYTES} bytes`);
  parseLocalpart(text.slice(1, at));
  parseServerName(text.slice(at + 1));
}

/** The user ID of a principal on a server. */
export function userIdOf(name: PrincipalName | MachineName, server: ServerName): UserId {
  return `@${name}:${server}` as UserId;
}

/** The room alias of a name on a server. */
export function roomAliasOf(name: PrincipalName | MachineName, server: ServerName): RoomAlias {
  return `#${name}:${server}` as RoomAlias;
}

/** The name inside a user ID. */
export function localpartOf(user: UserId): PrincipalName {
  return user.slice(1, user.indexOf(':')) as PrincipalName;
}
