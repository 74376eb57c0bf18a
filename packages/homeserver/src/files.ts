// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { BureauError, hasCode, type ServerName } from '@bureau/core';
import { ensureDirectory, readBounded, replaceSymlink, writeFileAtomic } from '@bureau/files';
import { homeserverConfig, homeserverLogConfig } from './config.ts';
import { homeserverLayout, type HomeserverLayout } from './layout.ts';
import { SMALL_FILE_MAX_BYTES } from './limits.ts';
import { ensureSecretFile } from './secret-file.ts';
import { readTurnSettings } from './turn.ts';

export interface HomeserverFilesOptions {
  /** The homeserver's state directory; made when missing. Its parent must let the homeserver's uid through. */
  readonly directory: string;
  readonly serverName: ServerName;
  readonly port: number;
  /** Where Synapse is installed: `homeserverLibrary`. */
  readonly library: string;
  /** The homeserver's uid, and its gid. */
  readonly uid: number;
  readonly testing?: boolean;
  readonly roomVersion?: string;
  readonly presence?: boolean;
}

/**
 * Writes everything that Synapse needs to start; a second call changes nothing but what differs. Secrets are made once and kept.
 * The signing key and the database are Synapse's own work, in `data/`.
 * Throws `homeserver_not_installed`, and `homeserver_name_changed` when the directory belongs to a server of another name: user IDs in its database would not fit.
 * `turn_settings_malformed` when an operator's `turn.json` cannot be used.
 */
export function writeHomeserverFiles(options: HomeserverFilesOptions): HomeserverLayout {
  const { uid } = options;
  requireInstalled(options.library);
  const layout = homeserverLayout(options.directory);
  ensureDirectory(layout.directory, { mode: 0o750, uid: 0, gid: uid });
  ensureDirectory(layout.dataDirectory, { mode: 0o700, uid, gid: uid });
  refuseOtherName(layout, options.serverName);
  for (const path of [layout.sharedSecretFile, layout.macaroonSecretFile, layout.formSecretFile]) ensureSecretFile(path, { uid, gid: uid });
  const readable = { mode: 0o640, uid: 0, gid: uid };
  writeFileAtomic(layout.logConfigFile, json(homeserverLogConfig()), readable);
  replaceSymlink(options.library, layout.libraryLink);
  const turn = readTurnSettings(layout, { uid, gid: uid });
  writeFileAtomic(layout.configFile, json(homeserverConfig({ ...options, layout, turn })), readable);
  return layout;
}

function requireInstalled(library: string): void {
  if (existsSync(`${library}/.complete`)) return;
  throw new BureauError(
    'homeserver_not_installed',
    `Expected Synapse in ${library}, and it is not there or half made; install it with deploy/matrix/install.sh`,
    { data: { library } },
  );
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function refuseOtherName(layout: HomeserverLayout, serverName: ServerName): void {
  const found = recordedServerName(layout.configFile);
  if (found === undefined || found === serverName) return;
  throw new BureauError(
    'homeserver_name_changed',
    `${layout.directory} holds the homeserver ${JSON.stringify(found)}, and ${JSON.stringify(serverName)} was asked for; a server's name cannot change. Keep the old name, or remove that directory to start anew`,
    { data: { directory: layout.directory, expected: serverName, found } },
  );
}

/** The server name of an earlier configuration, or `undefined` where there is none that can be read (a half-finished set-up is written anew). */
function recordedServerName(path: string): string | undefined {
  let text: string;
  try {
    text = readBounded(path, SMALL_FILE_MAX_BYTES).toString('utf8');
  } catch (error) {
    if (hasCode(error, 'file_missing')) return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'server_name' in value && typeof value.server_name === 'string'
      ? value.server_name
      : undefined;
  } catch {
    return undefined;
  }
}
