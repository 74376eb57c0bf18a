// SPDX-License-Identifier: Apache-2.0
/**
 * What people may ask of a machine in its config room: which commands there are and what each needs, who may, how often, each at most
 * once, with the answer in its thread.
 *
 * @example
 * ```ts
 * import { CommandLedger } from '@bureau/room-commands';
 *
 * const ledger = new CommandLedger('/var/lib/bureau/daemon/commands.sqlite', console.error);
 * ledger.knowsRequest('@bureau-admin:bureau.local', 'by-plain-curl'); // whether this sender has used that request ID before
 * ledger.close();
 * ```
 */
export type { CommandHandlers } from './commands.ts';
export { CommandLedger } from './ledger.ts';
export { machineHandlers } from './machine-handlers.ts';
export { RoomCommands } from './room-commands.ts';
export { senderRights } from './sender-rights.ts';
