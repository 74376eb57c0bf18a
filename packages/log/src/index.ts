// SPDX-License-Identifier: Apache-2.0
/**
 * Structured logs for every process: one JSON object a line, on disk when the call returns, secrets masked; and the one audit record.
 *
 * @example
 * ```ts
 * import { audit, createLogger, newTraceId } from '@bureau/log';
 *
 * const logger = createLogger({ name: 'launcher' });
 * const request = logger.child({ traceId: newTraceId(), principal: 'iree/amdgpu/pm' });
 * request.info({ number: 3, token: 'never written' }, 'sandbox created');
 * audit(request, { who: 'machine/workstation', what: 'sandbox.create', target: 'iree/amdgpu/pm', result: 'ok' });
 * ```
 */
export { createLogger } from './logger.ts';
export type { LogMethod, Logger, LoggerOptions } from './logger.ts';
export { audit } from './audit.ts';
export type { AuditRecord } from './audit.ts';
export { AuditLog } from './audit-log.ts';
export { newTraceId } from './trace-id.ts';
