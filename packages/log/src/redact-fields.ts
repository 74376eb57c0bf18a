// SPDX-License-Identifier: Apache-2.0
import { LOG_BREADTH_MAX, LOG_DEPTH_MAX, LOG_TEXT_MAX } from './limits.ts';
import { errorFields } from './error-fields.ts';
import { MASK } from './redact-text.ts';

/** Words that make a key's value secret, in any spelling (`access_token`, `accessToken`, `X-Access-Token`). */
const SECRET_WORDS =
  /token|password|passwd|passphrase|secret|authorization|cookie|credential|identity|privatekey|apikey|accesskey|sessionkey|signingkey/;
/** Ends of keys whose value is about a secret and is none: where it lies, how many there are. */
const ABOUT_A_SECRET = /(file|path|names?|count|store|directory|kind|digest|expiresat)$/;
/** What pino itself writes into each line (a field of that name would make two of them), or calls on or leaves out of bound fields. */
const RESERVED_KEYS: readonly string[] = [
  'level',
  'time',
  'name',
  'pid',
  'msg',
  'hasOwnProperty',
  '__proto__',
  'serializers',
  'formatters',
  'customLevels',
];

/** True when a value under this key must not be written. */
export function isSecretKey(key: string): boolean {
  const plain = key.toLowerCase().replace(/[^a-z0-9]/g, '');
  return SECRET_WORDS.test(plain) && !ABOUT_A_SECRET.test(plain);
}

/**
 * The fields of a log record as plain JSON values: secrets by key masked at every depth that is written, bytes as `[n bytes]`, errors
 * with code and causes, everything bounded. `traceId` becomes `trace_id`. Never throws, never changes its input.
 */
export function redactFields(fields: object, withStacks: boolean): Record<string, unknown> {
  if (fields instanceof Error) return { err: errorFields(fields, withStacks, redactValue) };
  const result: [string, unknown][] = [];
  for (const [key, value] of entries(fields)) {
    const name = key === 'traceId' ? 'trace_id' : RESERVED_KEYS.includes(key) ? `${key}_` : key;
    result.push([name, isMasked(key, value) ? MASK : redactValue(value, 1, withStacks)]);
  }
  // Unlike an assignment, this makes a plain field of any key.
  return Object.fromEntries(result);
}

function redactValue(value: unknown, depth: number, withStacks: boolean): unknown {
  switch (typeof value) {
    case 'string':
      return value.length > LOG_TEXT_MAX ? `${value.slice(0, LOG_TEXT_MAX)}… [${value.length} characters]` : value;
    case 'number':
    case 'boolean':
    case 'undefined':
      return value;
    case 'bigint':
      return String(value);
    case 'object':
      return value === null ? null : redactObject(value, depth, withStacks);
    default:
      return undefined;
  }
}

function redactObject(value: object, depth: number, withStacks: boolean): unknown {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Error) return errorFields(value, withStacks, redactValue);
  if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`;
  if (depth >= LOG_DEPTH_MAX + 1) return Array.isArray(value) ? `[list of ${value.length}]` : '[object]';
  if (Array.isArray(value)) {
    const items = value.slice(0, LOG_BREADTH_MAX).map((item) => redactValue(item, depth + 1, withStacks));
    return value.length > LOG_BREADTH_MAX ? [...items, `… [${value.length} items]`] : items;
  }
  const replaced = replacement(value);
  if (replaced !== value) return redactValue(replaced, depth + 1, withStacks);
  const result: [string, unknown][] = [];
  for (const [key, inner] of entries(value)) {
    if (key === 'data' && 'type' in value && value.type === 'Buffer' && Array.isArray(inner)) result.push([key, `[${inner.length} bytes]`]);
    else result.push([key, isMasked(key, inner) ? MASK : redactValue(inner, depth + 1, withStacks)]);
  }
  return Object.fromEntries(result);
}

/** A flag or a gap under a secret's key tells something and gives nothing away. */
function isMasked(key: string, value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== 'boolean' && isSecretKey(key);
}

/** What the object wants to be written as; itself when it has no wish. */
function replacement(value: object): unknown {
  try {
    if (value instanceof URL) return value.href;
    return 'toJSON' in value && typeof value.toJSON === 'function' ? (value.toJSON as () => unknown)() : value;
  } catch {
    return '[unreadable]';
  }
}

function* entries(value: object): Generator<[string, unknown]> {
  let count = 0;
  for (const key of Object.keys(value)) {
    count += 1;
    if (count > LOG_BREADTH_MAX) return yield ['…', `[${Object.keys(value).length} fields]`];
    try {
      yield [key, (value as Record<string, unknown>)[key]];
    } catch {
      yield [key, '[unreadable]'];
    }
  }
}
