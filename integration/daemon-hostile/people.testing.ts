// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readCredentials, type MatrixAnswer, type Stand } from '@bureau/testkit';

/** A room or user ID in a URL. */
export const inUrl = encodeURIComponent;

/** Somebody with an account of the stand's homeserver. */
export interface Person {
  readonly user: string;
  /** A call of the client-server API, below `/_matrix/client/v3`; the status is the caller's to judge. */
  call(path: string, method?: string, body?: unknown): Promise<MatrixAnswer>;
  /** Writes state; the status. */
  putState(room: string, type: string, key: string, content: unknown): Promise<number>;
}

/** What the machine pinned. */
export interface Pinned {
  readonly configRoom: string;
  readonly templateRoom: string;
  readonly agentsRoom: string;
  readonly homeserverUrl: string;
  readonly userId: string;
}

/** machine.json as it is. */
export function pinnedOf(stand: Stand): Pinned {
  return JSON.parse(readFileSync(stand.paths.machineFile, 'utf8')) as Pinned;
}

function personOf(stand: Stand, user: string, token?: string): Person {
  const call: Person['call'] = (path, method = 'GET', body) =>
    stand.matrix(`/_matrix/client/v3${path}`, {
      method,
      ...(token === undefined ? {} : { token }),
      ...(body === undefined ? {} : { body }),
    });
  const putState: Person['putState'] = async (room, type, key, content) =>
    (await call(`/rooms/${inUrl(room)}/state/${inUrl(type)}/${inUrl(key)}`, 'PUT', content)).status;
  return { user, call, putState };
}

/** Whoever set the stand up: who may. */
export function operatorOf(stand: Stand): Person {
  return personOf(stand, `@bureau-admin:${stand.facts.server_name}`);
}

/** Makes an account with the registration token, as anybody who has it can. */
export async function register(stand: Stand, username: string): Promise<Person> {
  const token = readCredentials(stand.facts.credential_file).get('MATRIX_REGISTRATION_TOKEN') ?? '';
  const ask = async (auth: object | undefined): Promise<MatrixAnswer> => {
    const body = { username, password: 'correct horse battery staple', ...(auth === undefined ? {} : { auth }) };
    const answer = await fetch(`${stand.facts.homeserver}/_matrix/client/v3/register`, { method: 'POST', body: JSON.stringify(body) });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const { session } = (await ask(undefined)).body;
  let answer = await ask({ type: 'm.login.registration_token', token, session });
  if (answer.status === 401) answer = await ask({ type: 'm.login.dummy', session });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return personOf(stand, String(answer.body['user_id']), String(answer.body['access_token']));
}

/** An account as its owner has it, by the homeserver's administrator: an agent's own, whose password nobody has. */
export async function loginAs(stand: Stand, user: string): Promise<Person> {
  const password = readFileSync(`${stand.paths.homeserverStateDirectory}/administrator-password`, 'utf8').trim();
  const identifier = { type: 'm.id.user', user: 'bureau/homeserver-admin' };
  const login = await stand.matrix('/_matrix/client/v3/login', {
    method: 'POST',
    body: { type: 'm.login.password', identifier, password },
  });
  assert.equal(login.status, 200, JSON.stringify(login.body));
  const token = String(login.body['access_token']);
  const given = await stand.matrix(`/_synapse/admin/v1/users/${inUrl(user)}/login`, { method: 'POST', body: {}, token });
  assert.equal(given.status, 200, JSON.stringify(given.body));
  await stand.matrix('/_matrix/client/v3/logout', { method: 'POST', body: {}, token });
  return personOf(stand, user, String(given.body['access_token']));
}
