// SPDX-License-Identifier: Apache-2.0
import type { Fact, Facts } from '@bureau/reconcile';
import type { SimulatedTime } from './simulated-time.ts';

/** The rooms that a machine follows. */
export type RoomName = 'config' | 'templates';
/** `machine`: what operators say of the machine itself · `statuses`: the machine's own words · `gates`: what start conditions look at. */
export type FactType = Exclude<keyof Facts, 'look'> | 'machine' | 'statuses' | 'gates';

/** One state event, in the order in which the homeserver took it. */
export interface StateEvent extends Fact {
  readonly room: RoomName;
  readonly type: FactType;
  /** When it was taken. */
  readonly at: number;
}

/** The rooms as they are, and what the machine said there. */
export class FakeHomeserver {
  readonly #time: SimulatedTime;
  readonly events: StateEvent[] = [];
  /** Messages of the machine by their transactions: the same one twice is one. */
  readonly messages = new Map<string, unknown>();
  /** Told after each event. */
  onEvent: () => void = () => undefined;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  /** Writes a state event. */
  set(type: FactType, stateKey: string, content: unknown): void {
    const room = type === 'templates' ? 'templates' : 'config';
    this.events.push({ room, type, stateKey, eventId: `$${this.events.length}`, content, at: this.#time.now });
    this.onEvent();
  }

  /** The newest event of a type and key. */
  get(type: FactType, stateKey: string): StateEvent | undefined {
    return this.events.findLast((event) => event.type === type && event.stateKey === stateKey);
  }
}
