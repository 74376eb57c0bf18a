// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomFillSync } from 'node:crypto';

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
/** Identifiers that are drawn at once: a call of the system for each request costs more than all else about it. */
const DRAWN = 64;

/** Random bytes for new traces, as hexadecimal digits, drawn ahead. */
export class TraceDigits {
  readonly #bytes = Buffer.alloc(BYTES * DRAWN);
  #at = this.#bytes.length;

  /** Those of one trace; never the same twice. */
  next(): string {
    if (this.#at === this.#bytes.length) {
      randomFillSync(this.#bytes);
      this.#at = 0;
    }
    return this.#bytes.toString('hex', this.#at, (this.#at += BYTES));
  }
}

/** A trace of our own. */
export function newTrace(): Trace {
  return traceOf(undefined);
}

/** Reads a `traceparent`; an absent or malformed one starts a new trace, of `digits`, which nobody samples but our log. */
export function traceOf(traceparent: string | undefined, digits?: TraceDigits): Trace {
  const match = traceparent === undefined ? undefined : TRACEPARENT.exec(traceparent);
  const id = match?.[1];
  const span = match?.[2];
  if (traceparent !== undefined && id !== undefined && !/^0+$/.test(id) && span !== undefined && !/^0+$/.test(span)) {
    return { id, parent: traceparent, given: true };
  }
  const made = digits?.next() ?? randomBytes(BYTES).toString('hex');
  const own = made.slice(0, ID_DIGITS);
  return { id: own, parent: `00-${own}-${made.slice(ID_DIGITS)}-00`, given: false };
}
