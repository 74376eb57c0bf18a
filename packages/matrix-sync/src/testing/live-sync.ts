// SPDX-License-Identifier: Apache-2.0
import type { TestContext } from 'node:test';
import type { MachineSync, MachineSyncOptions } from '../machine-sync.ts';
import { ASSIGNMENT, ROOM, ScriptedHomeserver, directory, news, syncOf, until, type Asked, type Reply } from './scripted-homeserver.ts';

/** A sync that has taken one answer, and what its homeserver will say. */
export interface LiveSync {
  readonly server: ScriptedHomeserver;
  readonly sync: MachineSync;
  /** What the room really holds: a reading of it is told so. */
  state: readonly unknown[];
  /** Answers to syncs that are not taken yet. */
  readonly left: readonly Reply[];
  /** Answers the syncs to come with these, one after the other. */
  say(...replies: readonly Reply[]): void;
  /** How often the room was read. */
  reads(): number;
}

/** Starts a sync of a room that holds `state`, told by the first answer as of position `s1`; resolves when it is live. */
export async function liveSync(
  context: TestContext,
  state: readonly unknown[],
  { first = news('s1', state), ...options }: Partial<MachineSyncOptions> & { readonly first?: Reply } = {},
): Promise<LiveSync> {
  const server = await ScriptedHomeserver.start(context);
  const left: Reply[] = [first];
  server.answer = ({ path }: Asked) => {
    if (path === '/sync') return left.shift();
    return path === `/rooms/${ROOM}/state` ? live.state : undefined;
  };
  const sync = syncOf(context, server.url, { directory: directory(context), ...options });
  const live: LiveSync = {
    server,
    sync,
    state,
    left,
    say: (...replies) => {
      left.push(...replies);
      server.look();
    },
    reads: () => server.to(`/rooms/${ROOM}/state`).length,
  };
  sync.start();
  await until(() => sync.health === 'live');
  return live;
}

/** Keys of the assignments that a sync knows, each with its event. */
export function known(sync: MachineSync): string[] {
  return sync
    .state(ROOM, ASSIGNMENT)
    .map(({ stateKey, eventId }) => `${stateKey} ${eventId}`)
    .toSorted();
}
