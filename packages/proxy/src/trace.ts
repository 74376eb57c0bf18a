// SPDX-License-Identifier: Apache-2.0
import { newTraceId } from '@bureau/log';

/** What ties the log lines of all processes to one request. */
export interface Trace {
  readonly id: string;
  /** The agent's own `traceparent`, to be passed on; only when it was valid. */
  readonly parent: string | undefined;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** Reads a W3C `traceparent`; an absent or malformed one starts a new trace (and is not passed on). */
export function traceOf(traceparent: string | undefined): Trace {
  const match = traceparent === undefined ? null : TRACEPARENT.exec(traceparent);
  const [, id, span] = match ?? [];
  if (traceparent === undefined || id === undefined || /^0+$/.test(id) || span === undefined || /^0+$/.test(span)) {
    return { id: newTraceId(), parent: undefined };
  }
  return { id, parent: traceparent };
}
