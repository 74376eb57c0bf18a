// SPDX-License-Identifier: Apache-2.0
import { describeError, type Clock } from '@bureau/core';
import type { MachineSettings } from '@bureau/instance';
import type { Logger } from '@bureau/log';
import type { MatrixClient } from '@bureau/matrix';
import type { MachineSync } from '@bureau/matrix-sync';
import { CommandLedger, RoomCommands, senderRights, type CommandHandlers } from '@bureau/room-commands';

export interface TakeCommandsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly machine: MachineSettings;
  readonly ledgerFile: string;
  readonly handlers: CommandHandlers;
  /** Speaks as the machine. */
  readonly homeserver: MatrixClient;
  readonly sync: MachineSync;
}

/** The commands of the machine's config room, answered there. */
export function takeCommands(deps: TakeCommandsDeps): RoomCommands {
  const { clock, logger, machine, handlers, homeserver, sync } = deps;
  const { configRoom: room } = machine;
  return new RoomCommands({
    clock,
    logger,
    machine: machine.userId,
    configRoom: room,
    ledger: new CommandLedger(deps.ledgerFile, (what, error) => logger.error({ error: describeError(error) }, what)),
    rights: (event, sender, signal) => senderRights(homeserver, room, event, sender, { signal }),
    handlers,
    post: (content, key) => sync.post({ room, type: 'm.room.message', content, key }),
  });
}
