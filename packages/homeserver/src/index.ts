// SPDX-License-Identifier: Apache-2.0
/**
 * The embedded homeserver: Synapse's configuration as data, its files, how it is started, when it is ready, its first accounts.
 * Starts no process itself. The order: `requireFreePort`, `writeHomeserverFiles`, start `homeserverCommand` as the homeserver's uid,
 * `waitForHomeserver`, `ensureFirstAccounts`; then `matrix setup` with the registration token.
 *
 * @example
 * ```ts
 * import { homeserverCommand, homeserverLayout } from '@bureau/homeserver';
 *
 * const { command, args } = homeserverCommand(homeserverLayout('/var/lib/bureau/homeserver'));
 * // args.at(-1) === '/var/lib/bureau/homeserver/homeserver.json'
 * ```
 */
export { HomeserverAdministration } from './administrator.ts';
export { homeserverCommand, homeserverLibrary } from './command.ts';
export type { HomeserverCommand } from './command.ts';
export type { HomeserverConfigOptions } from './config.ts';
export { writeHomeserverFiles } from './files.ts';
export type { HomeserverFilesOptions } from './files.ts';
export { ensureFirstAccounts } from './first-accounts.ts';
export type { FirstAccountsOptions } from './first-accounts.ts';
export { homeserverLayout } from './layout.ts';
export type { HomeserverLayout } from './layout.ts';
export { findFreePort, requireFreePort } from './port.ts';
export { waitForHomeserver } from './ready.ts';
export type { ReadyOptions } from './ready.ts';
