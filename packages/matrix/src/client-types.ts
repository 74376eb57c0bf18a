// SPDX-License-Identifier: Apache-2.0
import type { UserId } from '@bureau/core';
import type { RoomEvent } from './schemas.ts';

/** A JSON object, as the content of an event is. */
export type Content = Readonly<Record<string, unknown>>;

/** What a room is made of. */
export interface CreateRoom {
  readonly roomVersion: string;
  /** Without `#` and server. */
  readonly aliasLocalpart?: string;
  readonly name: string;
  readonly topic: string;
  readonly creationContent?: Content;
  /** The whole content; see `rooms.ts` for why. */
  readonly powerLevels: Content;
  readonly initialState?: readonly { readonly type: string; readonly stateKey?: string; readonly content: Content }[];
  readonly invite?: readonly UserId[];
}

/** Somebody with a membership of a room. */
export interface Member {
  readonly userId: string;
  readonly membership: string;
  readonly displayName?: string;
}

/** Which page of a room's timeline. */
export interface MessagesQuery {
  readonly from?: string;
  /** Where to stop: a token of an earlier sync. */
  readonly to?: string;
  readonly direction?: 'backward' | 'forward';
  readonly limit?: number;
  /** A Matrix `RoomEventFilter`. */
  readonly filter?: Content;
}

/** One page of events. */
export interface MessagesPage {
  readonly events: readonly RoomEvent[];
  readonly start: string | undefined;
  /** The next page's `from`, absent on the last. */
  readonly end: string | undefined;
}
