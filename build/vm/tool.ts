// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { OUTPUT_MAX_BYTES, TOOL_MILLISECONDS } from './limits.ts';

/** Runs a tool of the host to its end and returns what it printed. Throws with the end of what it said when it fails. */
export function runTool(command: string, args: readonly string[], cwd = '/'): string {
  const { status, signal, stdout, stderr, error } = spawnSync(command, [...args], {
    cwd,
    encoding: 'utf8',
    timeout: TOOL_MILLISECONDS,
    maxBuffer: OUTPUT_MAX_BYTES,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status === 0) return stdout;
  const said = `${stdout ?? ''}${stderr ?? ''}`.trimEnd().split('\n').slice(-5).join('\n  ');
  throw new Error(`expected ${command} to succeed; it ended with ${error?.message ?? signal ?? status}:\n  ${said}`);
}
