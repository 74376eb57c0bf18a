// SPDX-License-Identifier: Apache-2.0
import type { Fact, Facts } from '@bureau/reconcile';

/** The rooms that a machine follows. */
export type RoomName = 'config' | 'templates';
export type FactType = keyof Facts;

/** One state event, in the order in which the homeserver took it. */
export interface StateEvent extends Fact {
  readonly room: RoomName;
  readonly type: FactType;
}

/** The rooms as they are, and what the machine said there. */
export class FakeHomeserver {
  readonly events: StateEvent[] = [];
  /** What the machine published last, by type and state key. */
  readonly published = new Map<string, unknown>();
  /** Told after each event. */
  onEvent: () => void = () => undefined;

  /** Writes a state event, as an operator does. */
  set(type: FactType, stateKey: string, content: unknown): void {
    const room = type === 'templates' ? 'templates' : 'config';
    this.events.push({ room, type, stateKey, eventId: `$${this.events.length}`, content });
    this.onEvent();
  }

  /** The newest event of a type and key. */
  get(type: FactType, stateKey: string): StateEvent | undefined {
    return this.events.findLast((event) => event.type === type && event.stateKey === stateKey);
  }

  /** The newest events of a type. */
  all(type: FactType): StateEvent[] {
    return [...new Map(this.events.filter((event) => event.type === type).map((event) => [event.stateKey, event])).values()];
  }
}
