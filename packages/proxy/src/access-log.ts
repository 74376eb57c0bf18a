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
  /** Why, for the people who run it: an upstream's error code. */
  readonly cause?: string | undefined;
  /** The rule of the bundle that allowed or refused it. */
  readonly rule?: string | undefined;
  /** Of a forwarded call: host and port, in their one spelling. */
  readonly target?: string | undefined;
  /** Of a forwarded call: the address that was dialled. */
  readonly address?: string | undefined;
  readonly milliseconds: number;
  /** Of the request's body, as far as it was read. */
  readonly bytesIn?: number | undefined;
  /** Of the answer's body. */
  readonly bytes: number;
  readonly traceId: string;
  /** A person of this machine announced this call on the admin socket. */
  readonly operator?: boolean | undefined;
}

/** What a request that the agent gave up is recorded with; never sent. */
export const STATUS_CLIENT_GONE = 499;

/** Where the one line goes that each request leaves behind. */
export interface AccessLog {
  /** Takes a record; never throws, never waits for a disk. */
  write(principal: string | undefined, record: AccessRecord): void;
  /** Writes what is still held back. Idempotent; a `write` after it is written at once. */
  close(): void;
}

/** The fields of a line, in their order; JSON leaves out those that are undefined. */
export function accessFields(principal: string | undefined, record: AccessRecord): Record<string, unknown> {
  return {
    principal: principal ?? null,
    service: record.service,
    method: record.method,
    path: record.path,
    target: record.target,
    address: record.address,
    status: record.status,
    code: record.code,
    cause: record.cause,
    rule: record.rule,
    ms: Math.round(record.milliseconds * 100) / 100,
    bytes_in: record.bytesIn ?? 0,
    bytes_out: record.bytes,
    trace_id: record.traceId,
    operator: record.operator === true ? true : undefined,
  };
}

/** Lines in the process's own log: for a proxy that was given no directory for them. */
export function accessLogOf(logger: Logger): AccessLog {
  return {
    write(principal, record) {
      const fields = accessFields(principal, record);
      if (record.status >= 500) logger.warn(fields, 'request');
      else logger.info(fields, 'request');
    },
    close: () => undefined,
  };
}
