// SPDX-License-Identifier: Apache-2.0
import { UsageError, describeError } from '@bureau/core';

/** A JSON object from a command line. Throws a usage error with this code. */
export function parseObject(text: string, code: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(code, `Expected a JSON object: ${describeError(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(code, `Expected a JSON object, found ${Array.isArray(value) ? 'a list' : typeof value}`);
  return value as Record<string, unknown>;
}
