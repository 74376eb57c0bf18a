// SPDX-License-Identifier: Apache-2.0
import type { Route } from '../router.ts';
import { grants } from './grants.ts';
import { healthz } from './healthz.ts';
import { identity } from './identity.ts';
import { readAccount, readDisplayName, readProfile, resolveAlias } from './matrix/account.ts';
import { sendEvent } from './matrix/events.ts';
import { readMessages, readThread } from './matrix/history.ts';
import { inviteToRoom, joinRoom, leaveRoom, listMembers } from './matrix/membership.ts';
import { sendMessage } from './matrix/messages.ts';
import { readPresence, writePresence } from './matrix/presence.ts';
import { RAW_ROUTES } from './matrix/raw.ts';
import { openapi } from './openapi.ts';
import { createRoom, listRooms } from './matrix/rooms.ts';
import { readAllState, readState, writeState } from './matrix/state.ts';
import { eventStream, sync } from './matrix/sync.ts';
import { services } from './services.ts';

const DESCRIBED: readonly Route[] = [
  ...[healthz, identity, services, grants],
  ...[readAccount, readProfile, readDisplayName, readPresence, writePresence, resolveAlias],
  ...[listRooms, createRoom, joinRoom, leaveRoom, inviteToRoom, listMembers],
  ...[sendMessage, sendEvent, readMessages, readThread],
  ...[readAllState, readState, writeState],
  ...[sync, eventStream],
  ...RAW_ROUTES,
];

/** Everything that an agent can ask for. */
export const ROUTES: readonly Route[] = [...DESCRIBED, openapi(DESCRIBED)];
