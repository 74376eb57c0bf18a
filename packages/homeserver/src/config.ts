// SPDX-License-Identifier: Apache-2.0
import type { ServerName } from '@bureau/core';
import type { HomeserverLayout } from './layout.ts';
import { openRateLimits, standRateLimits } from './rate-limits.ts';
import type { TurnSettings } from './turn.ts';

/** The server administrator of first set-up; only makes registration tokens. Not `bureau-admin`, who owns the rooms. */
export const HOMESERVER_ADMINISTRATOR = 'bureau/homeserver-admin';
/** Who owns Bureau's rooms; made by `matrix setup`. */
const ROOM_ADMINISTRATOR = 'bureau-admin';
/** Stated, not left to Synapse's default. 1.163.2 knows 1 to 12; our code works with 11 and 12. */
const DEFAULT_ROOM_VERSION = '12';

export interface HomeserverConfigOptions {
  readonly serverName: ServerName;
  /** Loopback port. */
  readonly port: number;
  readonly layout: HomeserverLayout;
  /** Open rate limits and four bcrypt rounds. Never for a stand that people use. */
  readonly testing?: boolean;
  /** Another default room version, for tests of our own code with it. */
  readonly roomVersion?: string;
  /** Who is there is tracked and told; absent or false: it is not. For tests of our own code with it. */
  readonly presence?: boolean;
  /** The TURN server that clients are sent to, with credentials that the homeserver makes; absent: none. */
  readonly turn?: TurnSettings | undefined;
}

/**
 * Synapse's configuration as a JSON value (Synapse reads JSON where it documents YAML). Pure; holds no secret, only paths to them.
 * What is not stated here is Synapse 1.163.2's default.
 */
export function homeserverConfig(options: HomeserverConfigOptions): Readonly<Record<string, unknown>> {
  const { serverName, port, layout } = options;
  const testing = options.testing ?? false;
  return {
    server_name: serverName,
    public_baseurl: `http://127.0.0.1:${port}/`,
    report_stats: false,
    enable_metrics: false,
    // One loopback listener without the "federation" resource: those paths answer 404.
    listeners: [
      {
        type: 'http',
        port,
        bind_addresses: ['127.0.0.1'],
        tls: false,
        x_forwarded: false,
        resources: [{ names: ['client'], compress: false }],
      },
    ],
    federation_domain_whitelist: [],
    allow_public_rooms_over_federation: false,
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    signing_key_path: `${layout.dataDirectory}/signing.key`,
    database: { name: 'sqlite3', args: { database: `${layout.dataDirectory}/homeserver.db` } },
    log_config: layout.logConfigFile,
    // Accounts: with the registration token only.
    enable_registration: true,
    registration_requires_token: true,
    allow_guest_access: false,
    registration_shared_secret_path: layout.sharedSecretFile,
    macaroon_secret_key_path: layout.macaroonSecretFile,
    form_secret_path: layout.formSecretFile,
    ...(testing ? { bcrypt_rounds: 4 } : {}),
    // Rooms. An alias names a room of ours, so nobody else may take one; the first rule that matches decides.
    default_room_version: options.roomVersion ?? DEFAULT_ROOM_VERSION,
    alias_creation_rules: [
      { user_id: `@${ROOM_ADMINISTRATOR}:${serverName}`, action: 'allow' },
      { user_id: `@${HOMESERVER_ADMINISTRATOR}:${serverName}`, action: 'allow' },
      { user_id: '*', action: 'deny' },
    ],
    room_list_publication_rules: [{ action: 'deny' }],
    enable_room_list_search: false,
    encryption_enabled_by_default_for_room_type: 'off',
    // Not needed by agents, so not there to be attacked.
    user_directory: { enabled: false },
    limit_profile_requests_to_users_who_share_rooms: true,
    require_auth_for_profile_requests: true,
    // Each message and each sync would be told to everybody who shares a room; nothing of Bureau reads it (ADR 0025).
    presence: { enabled: options.presence ?? false },
    // Sync says the state as it is after the timeline: without it a fork of the room can show an older state event as the newest.
    experimental_features: { msc4222_enabled: true },
    url_preview_enabled: false,
    enable_media_repo: false,
    media_store_path: `${layout.dataDirectory}/media`,
    ...(options.turn === undefined
      ? {}
      : {
          turn_uris: options.turn.uris,
          turn_shared_secret_path: layout.turnSecretFile,
          // Credentials that a daemon fetches anew before they end; who steals one has an hour.
          turn_user_lifetime: '1h',
          turn_allow_guests: false,
        }),
    ...(testing ? openRateLimits() : standRateLimits()),
  };
}

/** Python's logging configuration: warnings and errors on stderr, one line each, where the service manager's log file is. Pure. */
export function homeserverLogConfig(): Readonly<Record<string, unknown>> {
  return {
    version: 1,
    disable_existing_loggers: false,
    formatters: { line: { format: '%(asctime)s %(levelname)s %(name)s [%(request)s] %(message)s' } },
    handlers: { stderr: { class: 'logging.StreamHandler', formatter: 'line', stream: 'ext://sys.stderr' } },
    // Its banner of five lines comes as warnings.
    loggers: { 'synapse.config.logger': { level: 'ERROR' } },
    // Below WARNING, SQL statements with their values would be written.
    root: { level: 'WARNING', handlers: ['stderr'] },
  };
}
