// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';

/** What ties the log lines of all processes, and of upstreams that take part, to one request (W3C Trace Context). */
export interface Trace {
  readonly id: string;
  /** The `traceparent` that goes on to our own upstreams: the agent's when it was valid, else one of ours. */
  readonly parent: string;
  /** True when it is the agent's own. */
  readonly given: boolean;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;
const ID_DIGITS = 32;
const BYTES = 24;

/** Reads a `traceparent`; an absent or malformed one starts a new trace, which nobody samples but our log. */
export function traceOf(traceparent: string | undefined): Trace {
  const match = traceparent === undefined ? null : TRACEPARENT.exec(traceparent);
  const [, id, span] = match ?? [];
  if (traceparent !== undefined && id !== undefined && !/^0+$/.test(id) && span !== undefined && !/^0+$/.test(span)) {
    return { id, parent: traceparent, given: true };
  }
  const made = randomBytes(BYTES).toString('hex');
  return { id: made.slice(0, ID_DIGITS), parent: `00-${made.slice(0, ID_DIGITS)}-${made.slice(ID_DIGITS)}-00`, given: false };
}
