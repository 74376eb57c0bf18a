// SPDX-License-Identifier: Apache-2.0
import type { Logger } from './logger.ts';

/** Who did what to what, and how it ended. */
export interface AuditRecord {
  /** A principal, a user ID, or `uid:0`. */
  readonly who: string;
  /** A stable word: `sandbox.create`, `bundle.open`. */
  readonly what: string;
  readonly target?: string;
  readonly result: 'ok' | 'refused' | 'failed';
  /** An error's code, or a short phrase. */
  readonly reason?: string;
  readonly traceId?: string;
  /** It stands for this many that say the same (`AuditLog`). */
  readonly times?: number;
}

/**
 * Writes the one audit record: a line with `audit` as an object. It is written whatever the logger's level is, except `silent`.
 */
export function audit(logger: Logger, record: AuditRecord): void {
  if (logger.level === 'silent') return;
  const { traceId, ...fields } = record;
  const writer = logger.isLevelEnabled('info') ? logger : logger.child({}, { level: 'info' });
  writer.info({ ...(traceId === undefined ? {} : { traceId }), audit: fields }, `audit: ${record.what} ${record.result}`);
}
