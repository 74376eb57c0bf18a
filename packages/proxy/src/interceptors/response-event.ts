// SPDX-License-Identifier: Apache-2.0
import type { Trace } from '../trace.ts';

/** An event that an answer has become. */
export interface ResponseEvent {
  /** Where its rule stands in the bundle: for the log. */
  readonly rule: string;
  readonly room: string;
  readonly type: string;
  readonly content: Readonly<Record<string, unknown>>;
  /** Of the call that was answered. */
  readonly trace: Trace;
}

/** Where answers go that become events. Nothing of it waits, and nothing throws. */
export interface ResponseEventSink {
  /** One more would be dropped: nothing needs to be made ready for it. */
  readonly full: boolean;
  /** Sends this event some time, or drops it. */
  offer(event: ResponseEvent): void;
  /** Counts one that was not made ready, because too many wait. */
  drop(): void;
  /** Records one that could not be made of its answer. */
  fail(event: Pick<ResponseEvent, 'rule' | 'trace'>, code: string): void;
}
