// SPDX-License-Identifier: Apache-2.0
/**
 * Matrix without an SDK: a thin client-server client, Bureau's rooms and power levels as data, their set-up and doctor, accounts.
 * What says something on a room's behalf is checked by who made the room, never by its alias alone.
 *
 * @example
 * ```ts
 * import { STANDARD_ROOMS, powerLevels } from '@bureau/matrix';
 * import { parseUserId } from '@bureau/core';
 *
 * const levels = powerLevels(STANDARD_ROOMS[0].powers, { creator: parseUserId('@bureau-admin:bureau.local'), roomVersion: '12' });
 * // levels.events_default === 0, levels.state_default === 100, levels.users is empty: in version 12 the creator is not listed
 * ```
 */
export { MatrixClient, newTransactionId } from './client.ts';
export type { Content, CreateRoom, Member, MessagesPage, MessagesQuery } from './client-types.ts';
export type { AccessToken, CallOptions, MatrixHttpOptions } from './http.ts';
export type { RoomEvent, StateEvent, SyncAnswer } from './schemas.ts';
export type { Login, MatrixSession, Registration } from './session.ts';
export { OPERATOR_LEVEL } from './power-levels.ts';
export type { LowerLevel, PowerLevels, PowerRules } from './power-levels.ts';
export { BUREAU_SPACE, STANDARD_ROOMS, aliasOfRoom } from './rooms.ts';
export type { RoomKind, StandardRoom } from './rooms.ts';
export { childIsLinked, contentOf, roomOrigin } from './room-state.ts';
export type { RoomFault, RoomOrigin } from './room-state.ts';
export { chooseRoomVersion, makeRoomOnce } from './ensure-room.ts';
export type { EnsuredRoom, RoomContext } from './ensure-room.ts';
export { powerOf, requiredPower } from './power-of.ts';
export type { Power } from './power-of.ts';
export { roomSummaries, summaryOf } from './room-summaries.ts';
export type { RoomSummary } from './room-summaries.ts';
export { followRoom } from './follow-room.ts';
export type { FollowOptions } from './follow-room.ts';
export { createAccount, revokeAccess } from './accounts.ts';
export type { Account, NewAccount, PasswordKeeper } from './accounts.ts';
export { setUpMatrix } from './setup.ts';
export type { SetupOptions, SetupResult, SetupStep } from './setup.ts';
export { examineMatrix } from './doctor.ts';
export { examineMachineRoom } from './doctor-rooms.ts';
export type { DoctorOptions } from './doctor.ts';
export type { Check, CheckStatus, DoctorReport } from './doctor-report.ts';
export { ensureMember } from './membership.ts';
export { ensureMachineRoom } from './machine-room.ts';
export type { MachineRoom } from './machine-room.ts';
export { CredentialFile, readCredentialFile } from './credential-file.ts';
export { machineRooms, openMachineRoom } from './machine-rooms.ts';
export type { OpenMachineRoom } from './machine-rooms.ts';
export { loginAfresh } from './one-session.ts';
