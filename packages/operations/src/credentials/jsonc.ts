// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '@bureau/core';
import { readJsonc } from '../jsonc.ts';

/** JSON with comments and trailing commas, as people write it. Throws `services_malformed`, with the place; `name` is the file's. */
export function parseJsonc(text: string, name: string): unknown {
  const read = readJsonc(text);
  if (read.ok) return read.document.value;
  const [fault] = read.faults;
  const place = fault === undefined ? '' : ` at line ${fault.line}, column ${fault.column}: ${fault.message}`;
  throw new UsageError('services_malformed', `Cannot read ${name}: expected JSON (comments are allowed), found something else${place}`);
}
