// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { healthCheck, type HealthCheck } from '@bureau/protocol';
import * as v from 'valibot';
import { parseObject } from './json-argument.ts';

/** A health check from a command line. Throws `invalid_health_check`. */
export function parseHealthCheck(text: string): HealthCheck {
  const parsed = v.safeParse(healthCheck, parseObject(text, 'invalid_health_check'));
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const example = '{"type": "http", "endpoint": "/workspace/health.sock", "path": "/health"}';
  throw new UsageError(
    'invalid_health_check',
    `Cannot use this as a health check: ${v.getDotPath(issue) ?? 'it'}: ${issue.message}; write for example '${example}'`,
  );
}
