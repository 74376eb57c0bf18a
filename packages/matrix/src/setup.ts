// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { UsageError, type Clock, type RoomId, type ServerName, type UserId } from '@bureau/core';
import { EVENT_TYPES } from '@bureau/protocol';
import { BUILT_IN_TEMPLATES, type BuiltInTemplate } from '@bureau/templates';
import { administratorPasswordFile, ensureAdministrator, type Administrator } from './administrator.ts';
import { MatrixClient } from './client.ts';
import { readCredentialFileIfAny, writeCredentialFile, type CredentialFile } from './credential-file.ts';
import { chooseRoomVersion, ensureRoom, type RoomContext } from './ensure-room.ts';
import { parseHomeserverUrl } from './http.ts';
import { childIsLinked } from './room-state.ts';
import { BUREAU_SPACE, STANDARD_ROOMS } from './rooms.ts';
import { templateState } from './templates.ts';

/** Where the embedded homeserver of the default instance is. */
const DEFAULT_HOMESERVER_URL = 'http://localhost:6167';

export interface SetupStep {
  /** `administrator`, `space`, `agents`, …, `template default`, `credential file`. */
  readonly step: string;
  readonly outcome: 'made' | 'repaired' | 'kept';
  /** For a person. */
  readonly message: string;
}

export interface SetupOptions {
  /** Default: the credential file's, else `DEFAULT_HOMESERVER_URL`. */
  readonly homeserverUrl?: string;
  readonly credentialFilePath: string;
  /** Default: the credential file's. Needed only while the administrator's account has to be made. */
  readonly registrationToken?: string;
  /** Default: what the server calls itself; given, it must agree. */
  readonly serverName?: ServerName;
  /** For tests; default the newest that server and code know. */
  readonly roomVersion?: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: SetupStep) => void;
}

export interface SetupResult {
  readonly serverName: ServerName;
  readonly homeserverUrl: string;
  readonly administrator: UserId;
  /** By label: `space`, `agents`, …. */
  readonly rooms: Readonly<Record<string, RoomId>>;
  readonly changed: boolean;
}

/**
 * Brings a homeserver to where Bureau can work on it: administrator, space, rooms, links, power levels, templates, credential file.
 * Repeat it as often as you like; it makes what is missing, repairs what differs and keeps the rest, ids and token included.
 * Throws `matrix_alias_squatted` and the codes of `ensureAdministrator`; what was done until then stays and is found by the next run.
 */
export async function setUpMatrix(options: SetupOptions): Promise<SetupResult> {
  const { clock, signal, credentialFilePath } = options;
  let credentials = readCredentialFileIfAny(credentialFilePath);
  const homeserverUrl = parseHomeserverUrl(options.homeserverUrl ?? credentials.get('MATRIX_HOMESERVER_URL') ?? DEFAULT_HOMESERVER_URL);
  const registrationToken = options.registrationToken ?? credentials.get('MATRIX_REGISTRATION_TOKEN');
  requireToken(credentials, registrationToken, credentialFilePath);
  let changed = false;
  const report = (step: string, outcome: SetupStep['outcome'], message: string): void => {
    changed ||= outcome !== 'kept';
    options.onStep?.({ step, outcome, message });
  };
  const save = (values: Readonly<Record<string, string>>): boolean => {
    const next = credentials.with(values);
    if (next.toText() === credentials.toText()) return false;
    writeCredentialFile(credentialFilePath, next);
    credentials = next;
    return true;
  };

  const administrator = await ensureAdministrator({
    client: new MatrixClient({ homeserverUrl, clock }),
    credentialFilePath,
    credentials,
    registrationToken,
    serverName: options.serverName,
    signal,
  });
  const { client, userId: owner, serverName } = administrator;
  report('administrator', administrator.outcome === 'kept' ? 'kept' : 'made', administratorMessage(administrator));
  // At once, so that the token is not lost when a later step fails.
  const identity = {
    MATRIX_HOMESERVER_URL: homeserverUrl,
    MATRIX_ADMIN_USER: owner,
    MATRIX_ADMIN_TOKEN: administrator.token,
    ...(registrationToken === undefined ? {} : { MATRIX_REGISTRATION_TOKEN: registrationToken }),
  };
  let saved = save(identity);

  const roomVersion = options.roomVersion ?? (await chooseRoomVersion(client, { signal }));
  const context: RoomContext = { client, owner, serverName, roomVersion, signal };
  const rooms: Record<string, RoomId> = {};
  const keys: Record<string, string> = {};
  for (const kind of [BUREAU_SPACE, ...STANDARD_ROOMS]) {
    const { roomId, outcome, repaired } = await ensureRoom(context, kind);
    rooms[kind.label] = roomId;
    keys[kind.credentialKey] = roomId;
    const linked = kind.space ? false : await ensureChild(context, rooms[BUREAU_SPACE.label] as RoomId, roomId);
    const what = outcome === 'repaired' ? `: ${repaired.join('; ')}` : linked && outcome === 'kept' ? ': linked to the space again' : '';
    report(kind.label, linked && outcome === 'kept' ? 'repaired' : outcome, `#${kind.alias}:${serverName} is ${roomId}${what}`);
  }
  for (const [name, builtIn] of BUILT_IN_TEMPLATES) await publishTemplate(context, rooms['template'] as RoomId, name, builtIn, report);
  saved = save(keys) || saved;
  report('credential file', saved ? 'made' : 'kept', credentialFilePath);
  return { serverName, homeserverUrl, administrator: owner, rooms, changed };
}

function requireToken(credentials: CredentialFile, registrationToken: string | undefined, path: string): void {
  if (registrationToken !== undefined || credentials.get('MATRIX_ADMIN_TOKEN') !== undefined || existsSync(administratorPasswordFile(path)))
    return;
  throw new UsageError(
    'matrix_registration_token_missing',
    `Expected a registration token: there is neither a token of the administrator nor MATRIX_REGISTRATION_TOKEN in ${path}; give --registration-token-file`,
    { data: { path } },
  );
}

function administratorMessage({ userId, outcome }: Administrator): string {
  return outcome === 'made'
    ? `${userId} registered`
    : outcome === 'kept'
      ? `${userId}, token still good`
      : `${userId} logged in anew, its former token is dead`;
}

/** Links a room into the space. True when it had to. */
async function ensureChild({ client, serverName, signal }: RoomContext, space: RoomId, room: RoomId): Promise<boolean> {
  const link = await client.state(space, 'm.space.child', room, { signal });
  if (childIsLinked(link)) return false;
  await client.setState(space, 'm.space.child', room, { via: [serverName] }, { signal });
  return true;
}

async function publishTemplate(
  context: RoomContext,
  room: RoomId,
  name: string,
  builtIn: BuiltInTemplate,
  report: (step: string, outcome: SetupStep['outcome'], message: string) => void,
): Promise<void> {
  const { client, signal } = context;
  const state = templateState(builtIn, await client.state(room, EVENT_TYPES.template, name, { signal }));
  const step = `template ${name}`;
  if (state === 'current') return report(step, 'kept', 'published');
  if (state === 'own') return report(step, 'kept', 'changed by an operator');
  if (state === 'newer') return report(step, 'kept', 'written by a newer Bureau');
  await client.setState(room, EVENT_TYPES.template, name, builtIn.content, { signal });
  report(step, state === 'missing' ? 'made' : 'repaired', state === 'earlier' ? 'brought up to date' : 'published');
}
