// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { readJson } from '@bureau/files';
import type { LimitHits } from '@bureau/process';
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

/** The report with what the kernel counted; the relay, which has the payload's uid, cannot say or hide that. */
export function withHits(report: ExitReport, { memory, pids }: LimitHits): ExitReport {
  const { limits: said = [], ...rest } = report;
  const disks = said.filter((limit) => limit === 'scratch' || limit === 'workspace');
  const limits = [...(memory ? (['memory'] as const) : []), ...(pids ? (['pids'] as const) : []), ...new Set(disks)];
  return limits.length === 0 ? rest : { ...rest, limits };
}
