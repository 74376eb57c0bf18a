// SPDX-License-Identifier: Apache-2.0
import * as v from 'valibot';

/** Longest as text, in UTF-16 units: an event of a room carries less than 64 KiB of it, a file that an operator names a little more. */
const JSON_OBJECT_MAX = 256 * 1024;
/** Deepest nesting: what people write has under ten levels, and a reader's stack has an end. */
const DEPTH_MAX = 32;

/** An object that JSON can say exactly: no bytes, dates, functions, endless numbers; what msgpack carries besides is refused. */
export const jsonObject = v.pipe(
  // Not `v.record`: that would take a list for an object with numbers as keys.
  v.custom<Readonly<Record<string, unknown>>>(
    (value) => !Array.isArray(value) && typeof value === 'object' && value !== null && isJson(value, DEPTH_MAX),
    `expected an object that JSON can say, nested at most ${DEPTH_MAX} deep`,
  ),
  v.check((value) => JSON.stringify(value).length <= JSON_OBJECT_MAX, `expected at most ${JSON_OBJECT_MAX} characters as JSON`),
);

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth === 0) return false;
  if (Array.isArray(value)) return value.every((each) => isJson(each, depth - 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every((each) => isJson(each, depth - 1));
}
