// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';
import { integer } from './scalars.ts';

/** Files of one principal's access log: `access.jsonl` is written, `access.1.jsonl` is the one before it. */
export const ACCESS_LOG_FILES_MAX = 8;

/** The name of the file that is `age` rotations old. */
export function accessLogFile(age: number): string {
  return age === 0 ? 'access.jsonl' : `access.${age}.jsonl`;
}

const count = integer(0, Number.MAX_SAFE_INTEGER);

/** One request through a proxy, as one line of JSON. Never a secret, a query, a body or a header's value. */
const request = v.looseObject({
  /** ISO 8601. */
  time: v.string(),
  /** Absent before the proxy has its keys. */
  principal: v.nullable(v.string()),
  /** An upstream of the bundle, `egress` for the forward proxy, `matrix`, `proxy`; `-` when the request named none. */
  service: v.string(),
  method: v.string(),
  /** The template of the path: nothing that the agent chose. */
  path: v.string(),
  /** Of `egress`: host and port, and the address that was dialled. */
  target: v.optional(v.string()),
  address: v.optional(v.string()),
  /** What the agent was answered; 499 when it had gone. */
  status: v.number(),
  /** The code of a problem. */
  code: v.optional(v.string()),
  cause: v.optional(v.string()),
  /** The rule of the bundle or the grants that decided. */
  rule: v.optional(v.string()),
  ms: v.number(),
  bytes_in: count,
  bytes_out: count,
  trace_id: v.string(),
  /** A person of this machine made the call: `bureau proxy call`. */
  operator: v.optional(v.boolean()),
});

/** Stands where lines could not be written: the disk was full, for example. */
const lost = v.strictObject({ time: v.string(), lost: count });

/** A line of an access log. */
export const accessLine = v.union([lost, request]);
export type AccessLine = v.InferOutput<typeof accessLine>;
