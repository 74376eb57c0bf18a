// SPDX-License-Identifier: Apache-2.0
/**
 * The vocabulary of every other package: names that are parsed once, errors with codes, time that is injected.
 * Pure: no Node module, no state, runs anywhere.
 *
 * @example
 * ```ts
 * import { parsePrincipalName, parseServerName, userIdOf } from '@bureau/core';
 *
 * const user = userIdOf(parsePrincipalName('iree/amdgpu/pm'), parseServerName('bureau.local'));
 * // '@iree/amdgpu/pm:bureau.local'
 * ```
 */
export { BureauError, UsageError, describeError, hasCode } from './errors.ts';
export type { BureauErrorOptions, ErrorData } from './errors.ts';
export {
  LOCALPART_MAX_BYTES,
  MATRIX_ID_MAX_BYTES,
  parseInstanceName,
  parseLocalpart,
  parseMachineName,
  parsePrincipalName,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
  roomAliasOf,
  userIdOf,
} from './names.ts';
export type { Branded, InstanceName, MachineName, PrincipalName, RoomAlias, RoomId, ServerName, UserId } from './names.ts';
export { sleep, within } from './clock.ts';
export type { Clock, Timer } from './clock.ts';
export { StageTimes } from './stage-times.ts';
export { formatDuration, parseDuration } from './duration.ts';
export { GLOB_MAX_LENGTH, matchGlob, parseGlob } from './match.ts';
export type { Glob } from './match.ts';
export { nearestName } from './nearest-name.ts';
