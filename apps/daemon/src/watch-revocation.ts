// SPDX-License-Identifier: Apache-2.0
import { hasCode, type Clock } from '@bureau/core';
import type { MachineSettings } from '@bureau/instance';
import type { Logger } from '@bureau/log';
import type { MatrixClient } from '@bureau/matrix';
import type { MachineSync } from '@bureau/matrix-sync';
import { MACHINE_REVOCATION } from '@bureau/protocol';
import { Revocation, type LauncherLink } from '@bureau/reconcile';

/** A sandbox of a revoked machine is killed; its end is waited for this long before it is tried again. */
const END_MILLISECONDS = 20_000;

export interface WatchRevocationDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly markFile: string;
  readonly accessToken: string;
  readonly launcher: LauncherLink;
  readonly sync: MachineSync;
  /** Speaks as the machine. */
  readonly homeserver: MatrixClient;
  readonly machine: MachineSettings;
}

/** What the machine does when it is revoked; `look` is to be called at each change of rooms, health and sandboxes. */
export function watchRevocation(deps: WatchRevocationDeps): { look(): void; readonly reason: string | undefined; close(): void } {
  const { clock, logger, launcher, sync, homeserver, machine } = deps;
  const revocation = new Revocation({
    clock,
    logger,
    file: deps.markFile,
    accessToken: deps.accessToken,
    observed: () => launcher.observed,
    end: async ({ principal, id }) =>
      void (await launcher.client.call('destroy', { principal, id, graceMilliseconds: 0 }, { deadlineMilliseconds: END_MILLISECONDS })),
    tokenIsDead: () => tokenIsDead(homeserver),
  });
  return {
    look: () => revocation.consider({ loggedOut: sync.health === 'logged_out', told: isTold(sync, machine) }),
    get reason() {
      return revocation.reason;
    },
    close: () => revocation.close(),
  };
}

/** Whether an operator says it in the pinned config room: any content but an empty one, even of a newer Bureau. */
function isTold(sync: MachineSync, { configRoom, configRoomCreator }: MachineSettings): boolean {
  const [creation] = sync.state(configRoom, 'm.room.create');
  if (creation?.sender !== configRoomCreator) return false;
  return sync
    .state(configRoom, MACHINE_REVOCATION.type)
    .some(({ stateKey, content }) => stateKey === '' && Object.keys(content).length > 0);
}

/** Whether the homeserver knows the token no more. Throws when it does not answer. */
async function tokenIsDead(homeserver: MatrixClient): Promise<boolean> {
  try {
    await homeserver.whoami();
    return false;
  } catch (error) {
    if (hasCode(error, 'matrix_unknown_token')) return true;
    throw error;
  }
}
