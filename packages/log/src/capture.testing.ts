// SPDX-License-Identifier: Apache-2.0
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createLogger, type Logger } from './logger.ts';

/** A logger into a file, and what the file holds. For tests of this package. */
export interface Captured {
  readonly logger: Logger;
  /** The file as it stands. */
  text(): string;
  /** The last record. */
  last(): Record<string, unknown>;
}

/** Opens a log file that goes with the test. */
export function capture(context: TestContext, level = 'info'): Captured {
  const directory = fs.mkdtempSync(join(tmpdir(), 'bureau-log-'));
  const path = join(directory, 'log');
  const descriptor = fs.openSync(path, 'a', 0o600);
  context.after(() => {
    fs.closeSync(descriptor);
    fs.rmSync(directory, { recursive: true });
  });
  const clock = { now: () => 1_700_000_000_000, monotonic: () => 0, setTimer: () => ({ clear() {} }) };
  const text = (): string => fs.readFileSync(path, 'utf8');
  return {
    logger: createLogger({ name: 'test', destination: descriptor, level, clock }),
    text,
    last: () => JSON.parse(text().trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>,
  };
}
