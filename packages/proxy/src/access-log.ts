// SPDX-License-Identifier: Apache-2.0
import type { Logger } from '@bureau/log';

/** One request as it is recorded: facts of the protocol only, never a body, a header's value, a query or a path that no route has. */
export interface AccessRecord {
  readonly service: string;
  readonly method: string;
  /** The route's path template, or `-`. */
  readonly path: string;
  readonly status: number;
  /** The problem's code, when there was one. */
  readonly code?: string | undefined;
  /** Why, for the people who run it: an upstream's error code, a rule. */
  readonly cause?: string | undefined;
  readonly milliseconds: number;
  /** Of the answer's body. */
  readonly bytes: number;
  readonly traceId: string;
}

/** What a request that the agent gave up is recorded with; never sent. */
export const STATUS_CLIENT_GONE = 499;

/** Writes the one line that each request leaves behind. */
export function logAccess(logger: Logger, principal: string | undefined, record: AccessRecord): void {
  const fields = {
    principal: principal ?? null,
    service: record.service,
    method: record.method,
    path: record.path,
    status: record.status,
    ...(record.code === undefined ? {} : { code: record.code }),
    ...(record.cause === undefined ? {} : { cause: record.cause }),
    ms: Math.round(record.milliseconds * 100) / 100,
    bytes: record.bytes,
    trace_id: record.traceId,
  };
  if (record.status >= 500) logger.warn(fields, 'request');
  else logger.info(fields, 'request');
}
