// SPDX-License-Identifier: Apache-2.0
import type { UserId } from '@bureau/core';
import { EVENTS } from '@bureau/protocol';

/** Who may change how a room works; in room version 12 its creator stands above it. */
export const OPERATOR_LEVEL = 100;
/** Everybody who is in the room. */
const MEMBER_LEVEL = 0;

/** A level that is lower than the operators', and why it may be. */
export interface LowerLevel {
  readonly level: number;
  readonly reason: string;
}

/** The rules of a room where they differ from "operators only". */
export interface PowerRules {
  /** Messages and other events without a state key; absent: operators only. */
  readonly messages?: LowerLevel;
  /** Levels of single event types. */
  readonly events: Readonly<Record<string, LowerLevel>>;
  /** Members with a level of their own. */
  readonly users?: Readonly<Record<string, LowerLevel>>;
}

/**
 * Types that are always at the operators' level, by name: the `events` map that we send replaces the server's, and a level that is
 * written down survives a change of `state_default`.
 */
const OPERATOR_EVENTS: readonly string[] = [
  'm.room.avatar',
  'm.room.canonical_alias',
  'm.room.encryption',
  'm.room.guest_access',
  'm.room.history_visibility',
  'm.room.join_rules',
  'm.room.name',
  'm.room.pinned_events',
  'm.room.power_levels',
  'm.room.server_acl',
  'm.room.third_party_invite',
  'm.room.tombstone',
  'm.room.topic',
  'm.space.child',
  'm.space.parent',
  ...EVENTS.filter(({ stateKey }) => stateKey !== 'none').map(({ type }) => type),
];

/** The content of `m.room.power_levels`. */
export interface PowerLevels {
  readonly users: Readonly<Record<string, number>>;
  readonly users_default: number;
  readonly events: Readonly<Record<string, number>>;
  readonly events_default: number;
  readonly state_default: number;
  readonly ban: number;
  readonly kick: number;
  readonly redact: number;
  readonly invite: number;
  readonly notifications: { readonly room: number };
}

/** Whether the creator's power is unlimited and unlisted (12 and later) or an entry like any other (11 and before). */
export function creatorIsListed(roomVersion: string): boolean {
  return /^([1-9]|10|11)$/.test(roomVersion);
}

/** The full content for a room of this version. Pure. In version 12 a server refuses the creator in `users`, so it is left out. */
export function powerLevels(rules: PowerRules, room: { readonly creator: UserId; readonly roomVersion: string }): PowerLevels {
  const users = Object.fromEntries(Object.entries(rules.users ?? {}).map(([user, { level }]) => [user, level]));
  return {
    users: creatorIsListed(room.roomVersion) ? { ...users, [room.creator]: OPERATOR_LEVEL } : users,
    users_default: MEMBER_LEVEL,
    events: {
      ...Object.fromEntries(OPERATOR_EVENTS.map((type) => [type, OPERATOR_LEVEL])),
      ...Object.fromEntries(Object.entries(rules.events).map(([type, { level }]) => [type, level])),
    },
    events_default: rules.messages?.level ?? OPERATOR_LEVEL,
    state_default: OPERATOR_LEVEL,
    ban: OPERATOR_LEVEL,
    kick: OPERATOR_LEVEL,
    redact: OPERATOR_LEVEL,
    invite: OPERATOR_LEVEL,
    notifications: { room: OPERATOR_LEVEL },
  };
}

const SCALARS = ['users_default', 'events_default', 'state_default', 'ban', 'kick', 'redact', 'invite'] as const;
/** What a server takes for an absent number; https://spec.matrix.org/v1.16/client-server-api/#mroompower_levels */
const ABSENT: Readonly<Record<(typeof SCALARS)[number], number>> = {
  users_default: 0,
  events_default: 0,
  state_default: 50,
  ban: 50,
  kick: 50,
  redact: 50,
  invite: 0,
};

/**
 * How `actual` differs from what is expected, one sentence each; empty when it does not. Pure.
 * More people at the operators' level are no difference: an operator made them so. Extra event types are one only below that level.
 */
export function powerLevelDifferences(expected: PowerLevels, actual: Readonly<Record<string, unknown>>): readonly string[] {
  const found: string[] = [];
  for (const name of SCALARS) note(found, name, expected[name], actual[name] ?? ABSENT[name]);
  note(found, 'notifications.room', expected.notifications.room, record(actual['notifications'])['room'] ?? 50);
  const events = record(actual['events']);
  for (const [type, level] of Object.entries(expected.events)) note(found, type, level, events[type] ?? 'nothing');
  for (const [type, level] of Object.entries(events)) {
    if (Object.hasOwn(expected.events, type) || (typeof level === 'number' && level >= OPERATOR_LEVEL)) continue;
    found.push(`${type} is ${show(level)} and should not be listed`);
  }
  const users = record(actual['users']);
  for (const [user, level] of Object.entries(expected.users)) note(found, user, level, users[user] ?? 'nothing');
  for (const [user, level] of Object.entries(users)) {
    if (Object.hasOwn(expected.users, user) || level === OPERATOR_LEVEL || level === expected.users_default) continue;
    found.push(`${user} is ${show(level)}, neither an operator's level nor a member's`);
  }
  return found;
}

/** Users at the operators' level whom `expected` does not name, for a person to look at. */
export function furtherOperators(expected: PowerLevels, actual: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(record(actual['users']))
    .filter(([user, level]) => level === OPERATOR_LEVEL && !Object.hasOwn(expected.users, user))
    .map(([user]) => user);
}

/** What to write to bring `actual` back to `expected`: further operators keep their level, nothing else of it stays. */
export function repairedPowerLevels(expected: PowerLevels, actual: Readonly<Record<string, unknown>>): PowerLevels {
  const kept = Object.fromEntries(furtherOperators(expected, actual).map((user) => [user, OPERATOR_LEVEL]));
  return { ...expected, users: { ...kept, ...expected.users } };
}

function note(found: string[], name: string, expected: number, actual: unknown): void {
  if (actual !== expected) found.push(`${name} is ${show(actual)} and should be ${expected}`);
}

function show(value: unknown): string {
  return typeof value === 'number' || value === 'nothing' ? String(value) : JSON.stringify(value);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
