// SPDX-License-Identifier: Apache-2.0
import { assignedIn } from './agent-members.ts';
import { describeError, hasCode, type RoomId, type ServerName, type UserId } from '@bureau/core';
import { EVENT_TYPES } from '@bureau/protocol';
import { BUILT_IN_TEMPLATES } from '@bureau/templates';
import type { MatrixClient } from './client.ts';
import { readCredentialFile, writeCredentialFile, type CredentialFile } from './credential-file.ts';
import { Findings, type Check } from './doctor-report.ts';
import { chooseRoomVersion, ensureRoom, ownRoomState } from './ensure-room.ts';
import { furtherOperators, powerLevels } from './power-levels.ts';
import { ROOM_CHECKS, childIsLinked, contentOf, roomFaults, roomOrigin } from './room-state.ts';
import { machineRooms, type OpenMachineRoom } from './machine-rooms.ts';
import { BUREAU_SPACE, STANDARD_ROOMS, aliasOfRoom, machineConfigRoom, type RoomKind, type StandardRoom } from './rooms.ts';
import { templateState } from './templates.ts';
import type { StateEvent } from './schemas.ts';

/** What the room checks need; what the first checks found. */
export interface DoctorContext {
  readonly client: MatrixClient;
  readonly owner: UserId;
  readonly serverName: ServerName;
  readonly credentials: CredentialFile;
  readonly credentialFilePath: string;
  readonly signal: AbortSignal | undefined;
}

interface FoundRoom {
  readonly roomId: RoomId;
  readonly state: readonly StateEvent[];
}

/** Space, rooms, links, rules, credential file, templates. */
export async function checkRooms(context: DoctorContext, findings: Findings): Promise<void> {
  const machines = await machineConfigRooms(context, findings);
  const assigned = new Set(machines.flatMap(({ room: { state } }) => [...assignedIn(state)]));
  const space = await checkRoom(context, BUREAU_SPACE, assigned, findings);
  for (const kind of STANDARD_ROOMS) {
    const room = await checkRoom(context, kind, assigned, findings);
    if (room !== undefined) checkLink(context, kind, space, room, findings);
    if (kind.label === 'template') checkTemplates(context, room, findings);
  }
  for (const { kind, room } of machines) checkRules(context, kind, room, assigned, findings);
}

/** The config rooms of all machines; one that somebody else made is a finding, and nothing of it is believed. */
async function machineConfigRooms(
  context: DoctorContext,
  findings: Findings,
): Promise<readonly { readonly kind: RoomKind; readonly room: FoundRoom }[]> {
  const { client, serverName, signal } = context;
  const found: { kind: RoomKind; room: FoundRoom }[] = [];
  for (const { machine, roomId } of await machineRooms(client, serverName, { signal })) {
    const kind = machineConfigRoom(machine, serverName);
    try {
      found.push({ kind, room: { roomId, state: await ownRoomState(context, kind, aliasOfRoom(kind, serverName), roomId) } });
    } catch (error) {
      signal?.throwIfAborted();
      findings.fail(machine, describeError(error), 'take the alias away from that room; nothing is repaired by itself here');
    }
  }
  return found;
}

async function checkRoom(
  context: DoctorContext,
  kind: StandardRoom,
  assigned: ReadonlySet<string>,
  findings: Findings,
): Promise<FoundRoom | undefined> {
  const room = await findRoom(context, kind, findings);
  if (room === undefined) return undefined;
  checkRules(context, kind, room, assigned, findings);
  checkCredential(context, kind, room, findings);
  return room;
}

async function findRoom(context: DoctorContext, kind: StandardRoom, findings: Findings): Promise<FoundRoom | undefined> {
  const { client, serverName, owner, signal } = context;
  const alias = aliasOfRoom(kind, serverName);
  try {
    const roomId = await client.resolveAlias(alias, { signal });
    if (roomId === undefined) {
      findings.fail(kind.label, `there is no room ${alias}`, 'make it: doctor --fix, or bureau matrix setup', async () => {
        await ensureRoom({ client, owner, serverName, roomVersion: await chooseRoomVersion(client, { signal }), signal }, kind);
      });
      return undefined;
    }
    const state = await ownRoomState(context, kind, alias, roomId);
    findings.pass(kind.label, `${alias} is ${roomId}`);
    return { roomId, state };
  } catch (error) {
    signal?.throwIfAborted();
    findings.fail(
      kind.label,
      describeError(error),
      hasCode(error, 'matrix_alias_squatted')
        ? 'take the alias away from that room; nothing is repaired by itself here'
        : 'look into the log of the homeserver',
    );
    return undefined;
  }
}

function checkRules(
  context: Pick<DoctorContext, 'client' | 'owner' | 'signal'>,
  kind: RoomKind,
  { roomId, state }: FoundRoom,
  assigned: ReadonlySet<string>,
  findings: Findings,
): void {
  const { client, owner, signal } = context;
  const room = { creator: owner, roomVersion: roomOrigin(state)?.roomVersion ?? '1', assigned };
  const faults = new Map(roomFaults(kind, state, room).map((fault) => [fault.check, fault]));
  for (const check of ROOM_CHECKS) {
    const name = `${kind.label} ${check}`;
    const fault = faults.get(check);
    if (fault === undefined) {
      const more =
        check === 'power levels' ? furtherOperators(powerLevels(kind.powers, room), contentOf(state, 'm.room.power_levels') ?? {}) : [];
      findings.pass(name, more.length > 0 ? `as they should be; further operators: ${more.join(', ')}` : 'as it should be');
    } else if (fault.repairs === undefined) {
      findings.fail(name, fault.message, 'this cannot be repaired; the message says what to do');
    } else {
      const { repairs } = fault;
      findings.fail(name, fault.message, `set ${repairs[0]?.type} again: doctor --fix, or bureau matrix setup`, async () => {
        for (const { type, stateKey, content } of repairs) await client.setState(roomId, type, stateKey, content, { signal });
      });
    }
  }
}

function checkCredential(context: DoctorContext, kind: StandardRoom, { roomId }: FoundRoom, findings: Findings): void {
  const { credentials, credentialFilePath } = context;
  const recorded = credentials.get(kind.credentialKey);
  const name = `${kind.label} credential`;
  if (recorded === roomId) return findings.pass(name, `${kind.credentialKey} says the same`);
  findings.fail(
    name,
    `${kind.credentialKey} says ${recorded ?? 'nothing'}, and the room is ${roomId}`,
    'write it anew: doctor --fix, or bureau matrix setup',
    async () => {
      // Read again: an earlier repair of this round may have written it.
      writeCredentialFile(credentialFilePath, readCredentialFile(credentialFilePath).with({ [kind.credentialKey]: roomId }));
    },
  );
}

function checkLink(context: DoctorContext, kind: StandardRoom, space: FoundRoom | undefined, room: FoundRoom, findings: Findings): void {
  const name = `${kind.label} in space`;
  if (space === undefined) return findings.skip(name, 'there is no space');
  if (childIsLinked(contentOf(space.state, 'm.space.child', room.roomId))) return findings.pass(name, 'linked');
  findings.fail(name, 'the space does not link to it', 'link it: doctor --fix, or bureau matrix setup', async () => {
    await context.client.setState(space.roomId, 'm.space.child', room.roomId, { via: [context.serverName] }, { signal: context.signal });
  });
}

function checkTemplates(context: DoctorContext, room: FoundRoom | undefined, findings: Findings): void {
  for (const [name, builtIn] of BUILT_IN_TEMPLATES) {
    const check = `template ${name}`;
    if (room === undefined) {
      findings.skip(check, 'there is no template room');
      continue;
    }
    const state = templateState(builtIn, contentOf(room.state, EVENT_TYPES.template, name));
    if (state === 'current') findings.pass(check, 'published');
    else if (state === 'own') findings.pass(check, 'published, changed by an operator');
    else if (state === 'newer') findings.warn(check, 'written by a newer Bureau, so this one cannot judge it', 'update this Bureau');
    else
      findings.fail(
        check,
        state === 'earlier' ? 'it is of an earlier Bureau' : `it is ${state}`,
        'publish it: doctor --fix, or bureau matrix setup',
        async () =>
          void (await context.client.setState(room.roomId, EVENT_TYPES.template, name, builtIn.content, { signal: context.signal })),
      );
  }
}

/** Looks at one machine's config room: levels, rules, members; with `fix` repairs them and looks again. Nothing else of it is touched. */
export async function examineMachineRoom(options: {
  readonly client: MatrixClient;
  readonly serverName: ServerName;
  readonly room: OpenMachineRoom;
  readonly fix: boolean;
  readonly signal?: AbortSignal;
}): Promise<readonly Check[]> {
  const { client, serverName, room, fix, signal } = options;
  const look = (state: readonly StateEvent[]): Findings => {
    const findings = new Findings();
    const kind = machineConfigRoom(room.machine, serverName);
    checkRules({ client, owner: room.creator, signal }, kind, { roomId: room.roomId, state }, new Set(), findings);
    return findings;
  };
  const first = look(room.state);
  if (!fix || first.list.every(({ repair }) => repair === undefined)) return first.list.map((finding) => reported(finding));
  for (const { repair } of first.list) await repair?.();
  const before = new Map(first.list.map(({ name, status }) => [name, status]));
  const second = look(await client.allState(room.roomId, { signal }));
  return second.list.map((finding) => reported(finding, before.get(finding.name) === 'fail' && finding.status === 'pass'));
}

function reported({ name, status, message, fix }: Check, repaired = false): Check {
  return { name, status, message, ...(fix === undefined ? {} : { fix }), ...(repaired ? { repaired } : {}) };
}
