// SPDX-License-Identifier: Apache-2.0
import type { RoomEvent } from '@bureau/matrix';
import * as v from 'valibot';
import { printable, printableJson } from './printable.ts';

/** An event of a timeline, as JSON: Matrix's own names. */
export const shownEvent = v.strictObject({
  event_id: v.string(),
  type: v.string(),
  sender: v.string(),
  /** Milliseconds since the Unix epoch, as the sender's server says. */
  origin_server_ts: v.number(),
  state_key: v.optional(v.string()),
  content: v.record(v.string(), v.unknown()),
});
export type ShownEvent = v.InferOutput<typeof shownEvent>;

/** An event as JSON. */
export function showEvent({ event_id, type, sender, origin_server_ts, state_key, content }: RoomEvent): ShownEvent {
  return { event_id, type, sender, origin_server_ts, ...(state_key === undefined ? {} : { state_key }), content };
}

/** One line for a person; nothing in it can drive a terminal. Pure. */
export function eventLine({ origin_server_ts, sender, type, state_key, content }: ShownEvent): string {
  return [timeOf(origin_server_ts), printable(sender), typeOf(type, state_key), contentText(type, content)].join('  ');
}

/** `2026-11-21 11:55:03` in UTC; a time that no clock has told stays a number. Pure. */
export function timeOf(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? String(milliseconds) : date.toISOString().slice(0, 19).replace('T', ' ');
}

/** A type with its state key. Pure. */
export function typeOf(type: string, stateKey: string | undefined): string {
  return printable(stateKey === undefined || stateKey === '' ? type : `${type}[${stateKey}]`);
}

/** The text of a message, else the content as JSON. Pure. */
export function contentText(type: string, content: Readonly<Record<string, unknown>>): string {
  const body = content['body'];
  return type === 'm.room.message' && typeof body === 'string' ? printable(body) : printableJson(content);
}
