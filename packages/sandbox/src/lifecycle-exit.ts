// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { readJson } from '@bureau/files';
import { exitReport, type ExitReport } from '@bureau/protocol';
import { EXIT_FILE_MAX_BYTES } from './lifecycle-limits.ts';

/**
 * The exit report that a relay left. It was written under the payload's uid, so it is read like any stranger's file: bounded,
 * without following a link, against its schema. Missing or wrong: `relay_lost`.
 */
export function readExitReport(path: string): ExitReport {
  try {
    if (existsSync(path)) return readJson(path, exitReport, EXIT_FILE_MAX_BYTES);
  } catch {
    // Falls through: what cannot be read says nothing.
  }
  return { code: null, signal: null, reason: 'relay_lost' };
}
