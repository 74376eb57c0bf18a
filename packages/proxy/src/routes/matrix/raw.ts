// SPDX-License-Identifier: Apache-2.0
import { type RoomId } from '@bureau/core';
import * as v from 'valibot';
import { withAccount, type MatrixRequest } from '../../matrix/account.ts';
import { checkSize } from '../../matrix/sending.ts';
import { Problem } from '../../problem.ts';
import { defineRoute, type Route } from '../../router.ts';

/** The base URL of a Matrix library is `http://<any host><this>`. */
const RAW_BASE = '/v1/matrix/raw';

/** One endpoint of the client-server API that may be called as it is, and what it takes beside `matrix/raw-api`. */
interface RawEndpoint {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly version?: 'v1';
  /** Below `/_matrix/client/<version>/`. `{room}` is judged and resolved. */
  readonly path: string;
  readonly action: string;
  /** Goes in its turn among what is sent to the room. */
  readonly queued?: true;
  readonly longPoll?: true;
  readonly idempotent: boolean;
}

/**
 * What is let through: reading, sending, state, membership of rooms. Nothing of accounts, devices, keys, media, directories of users or
 * rooms, or administration. Each needs the grant of the structured call that does the same.
 */
const ENDPOINTS: readonly RawEndpoint[] = [
  { method: 'GET', path: 'account/whoami', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'joined_rooms', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'directory/room/{alias}', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'sync', action: 'matrix/read', longPoll: true, idempotent: true },
  { method: 'GET', path: 'rooms/{room}/messages', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'rooms/{room}/members', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'rooms/{room}/joined_members', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'rooms/{room}/event/{event}', action: 'matrix/read', idempotent: true },
  { method: 'GET', version: 'v1', path: 'rooms/{room}/relations/{event}', action: 'matrix/read', idempotent: true },
  { method: 'GET', version: 'v1', path: 'rooms/{room}/relations/{event}/{relation}', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'rooms/{room}/state', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'rooms/{room}/state/{type}', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'rooms/{room}/state/{type}/', action: 'matrix/read', idempotent: true },
  { method: 'GET', path: 'rooms/{room}/state/{type}/{key}', action: 'matrix/read', idempotent: true },
  { method: 'PUT', path: 'rooms/{room}/state/{type}', action: 'matrix/state', queued: true, idempotent: true },
  { method: 'PUT', path: 'rooms/{room}/state/{type}/', action: 'matrix/state', queued: true, idempotent: true },
  { method: 'PUT', path: 'rooms/{room}/state/{type}/{key}', action: 'matrix/state', queued: true, idempotent: true },
  { method: 'PUT', path: 'rooms/{room}/send/{type}/{transaction}', action: 'matrix/send', queued: true, idempotent: true },
  { method: 'POST', path: 'rooms/{room}/join', action: 'matrix/join', idempotent: true },
  { method: 'POST', path: 'join/{room}', action: 'matrix/join', idempotent: true },
  { method: 'POST', path: 'rooms/{room}/leave', action: 'matrix/leave', idempotent: true },
];

const json = v.looseObject({});
const anyQuery = v.record(v.string(), v.pipe(v.string(), v.maxLength(4_096)));

/** The raw client-server API, by allow-list; off until `matrix/raw-api` is granted. */
export const RAW_ROUTES: readonly Route[] = ENDPOINTS.map(rawRoute);

function rawRoute(endpoint: RawEndpoint): Route {
  const { method, version = 'v3', path, action } = endpoint;
  return defineRoute({
    method,
    path: `${RAW_BASE}/_matrix/client/${version}/${path}`,
    service: 'matrix',
    summary: `The Matrix call ${method} ${path} as it is`,
    grant: 'matrix/raw-api',
    query: anyQuery,
    ...(method === 'GET' ? {} : { body: json }),
    output: v.unknown(),
    handle: async (call, services) => {
      const body = method === 'GET' ? undefined : call.body;
      if (body !== undefined) checkSize(body, services);
      services.authorization.require('matrix/raw-api', { names: [], complete: true });
      if (endpoint.longPoll === true && services.authorization.namesMatter) {
        throw new Problem(
          403,
          'not_granted',
          'A raw sync gives every room, and the grants of this principal speak of single ones; use /v1/matrix/sync.',
          { extensions: { action } },
        );
      }
      // A key in the query would be another account's.
      const { access_token: _dropped, user_id: _masquerade, ...query } = call.query;
      const room = await withAccount(call, services, async (account) => {
        const named = call.params['room'] ?? call.params['alias'];
        return named === undefined ? undefined : account.permittedRoom(action, named);
      });
      const segments = path
        .split('/')
        .map((segment) =>
          segment === '{room}' ? String(room) : segment.startsWith('{') ? (call.params[segment.slice(1, -1)] ?? '') : segment,
        );
      const request: MatrixRequest = {
        method,
        version,
        path: segments,
        query,
        idempotent: endpoint.idempotent,
        ...(endpoint.longPoll === undefined ? {} : { longPoll: true }),
        ...(body === undefined ? {} : { body }),
      };
      const ask = (): Promise<unknown> => withAccount(call, services, (account) => account.request(v.unknown(), request));
      const answer = endpoint.queued === true ? await services.rooms.run(room as RoomId, call.signal(), ask) : await ask();
      return { status: 200, body: answer };
    },
  });
}
