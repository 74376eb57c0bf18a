// SPDX-License-Identifier: Apache-2.0
import { EVENT_MAX_BYTES, IDENTIFIER_MAX_BYTES } from './limits.ts';

/** One state event, as the homeserver gave it; its content is a stranger's until a schema has judged it. */
export interface StateFact {
  readonly stateKey: string;
  readonly sender: string;
  readonly eventId: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/** A state event with its type. */
export interface KnownEvent extends StateFact {
  readonly type: string;
  /** Milliseconds since the epoch, as its sender's homeserver says; 0 when it says none. */
  readonly at: number;
}

/** A state event as it came, with the text that is kept of it on disk. */
export interface StateEvent extends KnownEvent {
  readonly text: string;
}

/** One event of a room's timeline that is no state. */
export interface TimelineEvent {
  readonly type: string;
  readonly sender: string;
  readonly eventId: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch, as its sender's homeserver says. */
  readonly at: number;
  /** The event that a redaction takes back, in rooms before version 11. */
  readonly redacts: string | undefined;
}

/** An event that cannot be believed to be one, and why. */
export interface RefusedEvent {
  readonly room: string;
  /** Cut, and `?` where it has none. */
  readonly eventId: string;
  readonly reason: string;
}

/** What `readStateEvent` and `readTimelineEvent` answer: the event, or a reason in words for a person. Never throws. */
export type Judged<Event> = Event | string;

/** A member of an answer as a state event. */
export function readStateEvent(value: unknown): Judged<StateEvent> {
  const event = headOf(value);
  if (typeof event === 'string') return event;
  const stateKey = event.raw['state_key'];
  if (!isIdentifier(stateKey)) return 'its state key is missing or longer than Matrix allows';
  const { type, sender, eventId, content } = event;
  const at = timeOf(event.raw['origin_server_ts']);
  const text = textOf(keptOf({ type, stateKey, sender, eventId, content, at }));
  return text === undefined ? TOO_LARGE : { type, stateKey, sender, eventId, content, at, text };
}

/** What is kept of a state event on disk; `fromKept` is its opposite. */
export function keptOf({ type, stateKey, sender, eventId, content, at }: KnownEvent): readonly unknown[] {
  return [type, stateKey, sender, eventId, content, at];
}

/** A state event from what was kept of it. Throws for anything else: the file is damaged. */
export function fromKept(value: unknown): KnownEvent {
  if (!Array.isArray(value)) throw new Error('a kept event is no list');
  const [type, stateKey, sender, eventId, content, at] = value as unknown[];
  if (
    typeof type !== 'string' ||
    typeof stateKey !== 'string' ||
    typeof sender !== 'string' ||
    typeof eventId !== 'string' ||
    !isRecord(content)
  )
    throw new Error('a kept event lacks what every event has');
  return { type, stateKey, sender, eventId, content, at: timeOf(at) };
}

/** A member of an answer as an event of a timeline. */
export function readTimelineEvent(value: unknown): Judged<TimelineEvent> {
  const event = headOf(value);
  if (typeof event === 'string') return event;
  const { raw, ...head } = event;
  if (textOf(head.content) === undefined) return TOO_LARGE;
  const { origin_server_ts: at, redacts } = raw;
  if (typeof at !== 'number' || !Number.isSafeInteger(at)) return 'its time is no integer';
  return { ...head, at, redacts: typeof redacts === 'string' ? redacts : undefined };
}

/** Whether a member of an answer says that it is state. */
export function claimsState(value: unknown): boolean {
  return isRecord(value) && Object.hasOwn(value, 'state_key');
}

/** The event's id for a report, whatever else is wrong with it. */
export function eventIdOf(value: unknown): string {
  const id = isRecord(value) ? value['event_id'] : undefined;
  return typeof id === 'string' ? id.slice(0, IDENTIFIER_MAX_BYTES) : '?';
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const TOO_LARGE = `it is larger than ${EVENT_MAX_BYTES} bytes or nested too deeply`;

interface Head {
  readonly type: string;
  readonly sender: string;
  readonly eventId: string;
  readonly content: StateFact['content'];
  readonly raw: Readonly<Record<string, unknown>>;
}

function headOf(raw: unknown): Judged<Head> {
  if (!isRecord(raw)) return 'it is no object';
  const { type, sender, event_id: eventId, content } = raw;
  if (!isIdentifier(type) || type === '') return 'its type is missing or longer than Matrix allows';
  if (!isIdentifier(eventId) || eventId === '') return 'its event ID is missing or longer than Matrix allows';
  if (!isIdentifier(sender) || !/^@[^:]*:./.test(sender)) return 'its sender is no user ID';
  if (!isRecord(content)) return 'its content is no object';
  return { type, sender, eventId, content, raw };
}

function timeOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;
}

function isIdentifier(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > IDENTIFIER_MAX_BYTES) return false;
  // Three bytes for each UTF-16 unit at most.
  return value.length * 3 <= IDENTIFIER_MAX_BYTES || Buffer.byteLength(value) <= IDENTIFIER_MAX_BYTES;
}

function textOf(value: unknown): string | undefined {
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch {
    return undefined; // Nested so deeply that it cannot even be written.
  }
  return text.length * 3 <= EVENT_MAX_BYTES || Buffer.byteLength(text) <= EVENT_MAX_BYTES ? text : undefined;
}
