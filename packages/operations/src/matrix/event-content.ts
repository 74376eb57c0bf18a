// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import type { Content } from '@bureau/matrix';

/** Bytes of a content as it is typed: an event may have 65,536 with all around it. */
export const CONTENT_MAX_BYTES = 65_536;

/** An event's content from JSON. Throws `invalid_content`; quotes nothing of it. Pure. */
export function parseContent(text: string): Content {
  if (Buffer.byteLength(text) > CONTENT_MAX_BYTES) refuse(`at most ${CONTENT_MAX_BYTES} bytes, found ${Buffer.byteLength(text)}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    refuse('JSON, and it cannot be parsed as that; quote it for the shell: \'{"name": "echo"}\'');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse('a JSON object');
  const path = unsuitableNumber(value, '');
  // A server refuses a fraction; a number beyond 2^53 would be another one before it got there.
  if (path !== undefined) refuse(`integers between -(2^53-1) and 2^53-1, and ${path} is none; write other numbers as strings`);
  return value as Content;
}

function unsuitableNumber(value: unknown, path: string): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? undefined : path;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = unsuitableNumber(inner, path === '' ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function refuse(expected: string): never {
  throw new UsageError('invalid_content', `Expected the content to be ${expected}`);
}
