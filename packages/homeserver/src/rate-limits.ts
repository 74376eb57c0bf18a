// SPDX-License-Identifier: Apache-2.0

interface Rate {
  readonly per_second: number;
  readonly burst_count: number;
}

/** Synapse's `rc_…` settings: one rate, or one for each key that is limited apart. */
export type RateLimits = Readonly<Record<string, Rate | Readonly<Record<string, Rate>>>>;

function rate(perSecond: number, burst: number): Rate {
  return { per_second: perSecond, burst_count: burst };
}

/**
 * Limits of a private stand. Every account was made by an operator, so they bound runaway loops, not strangers;
 * Synapse's defaults (10 messages, then one each 5 s) would stop a working team of agents.
 */
export function standRateLimits(): RateLimits {
  return {
    // Per account. An agent that reports every step of a build stays below; an endless loop costs the server about a fifth of a core.
    rc_message: rate(10, 100),
    // Per address; all of a stand's clients come from loopback, and each account needs the registration token.
    rc_registration: rate(10, 100),
    rc_registration_token_validity: rate(1, 50),
    rc_login: {
      address: rate(10, 100),
      account: rate(1, 20),
      // The one that slows down guessing of an operator's password: 10 at once, then one each 6 s.
      failed_attempts: rate(0.17, 10),
    },
    rc_joins: { local: rate(10, 100), remote: rate(0.01, 1) },
    rc_joins_per_room: rate(10, 100),
    rc_invites: { per_room: rate(10, 100), per_user: rate(5, 50), per_issuer: rate(10, 100) },
    // The set-up makes 8 rooms, and each machine one.
    rc_room_creation: rate(1, 50),
    rc_delayed_event_mgmt: rate(5, 50),
    rc_admin_redaction: rate(1, 50),
  };
}

/** No limits worth the name, for tests only. */
export function openRateLimits(): RateLimits {
  const open = rate(100_000, 100_000);
  const single = [
    'rc_message',
    'rc_registration',
    'rc_registration_token_validity',
    'rc_admin_redaction',
    'rc_joins_per_room',
    'rc_key_requests',
    'rc_3pid_validation',
    'rc_third_party_invite',
    'rc_media_create',
    'rc_delayed_event_mgmt',
    'rc_room_creation',
    'rc_reports',
    'rc_user_directory',
    'rc_profile',
  ];
  return {
    ...Object.fromEntries(single.map((name) => [name, open])),
    rc_login: { address: open, account: open, failed_attempts: open },
    rc_joins: { local: open, remote: open },
    rc_invites: { per_room: open, per_user: open, per_issuer: open },
    rc_presence: { per_user: open },
  };
}
