// SPDX-License-Identifier: Apache-2.0
import { encodeFrame } from '@bureau/ipc';
import { writeAll } from '@bureau/native';
import type { RelayReport } from '@bureau/protocol';

/** Tells the launcher; one that no longer reads is no error. */
export type ReportToLauncher = (report: RelayReport) => void;

/** Reports on the descriptor `output`. */
export function reportOn(output: number): ReportToLauncher {
  return (report) => {
    try {
      writeAll(output, encodeFrame(report));
    } catch {
      // EPIPE or a reader that stands still: the exit file tells the same.
    }
  };
}
