// SPDX-License-Identifier: Apache-2.0
/**
 * `node --import` of this file: a process whose wall clock is off by as many milliseconds as the file `offset` beside it says, as if
 * somebody had set the clock of its machine. The file may change while it runs; what only goes forward (`performance`) does not.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How soon a change of the file is noticed. */
const LOOK_MILLISECONDS = 50;

const file = join(import.meta.dirname, 'offset');
const trueNow = Date.now;
let offset = read();
setInterval(() => (offset = read()), LOOK_MILLISECONDS).unref();

function read(): number {
  try {
    return Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    return 0; // The test has ended.
  }
}

class SetDate extends Date {
  constructor(...parts: [] | [number]) {
    super(...(parts.length === 0 ? ([trueNow() + offset] as const) : parts));
  }

  static override now(): number {
    return trueNow() + offset;
  }
}
globalThis.Date = SetDate as DateConstructor;
