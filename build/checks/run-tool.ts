// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Finding } from './finding.ts';

/** A tool that takes longer hangs; each needs a few seconds. */
const TOOL_MILLISECONDS = 120_000;

/** What a tool said: standard output, and both streams together for a person. */
export interface ToolResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly output: string;
}

/** Runs `node_modules/.bin/<tool>` in the root of a checkout with the pinned Node; rejects when it cannot be started. */
export function runTool(root: string, tool: string, args: readonly string[]): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    // The tools' launchers are JavaScript with `#!/usr/bin/env node`: the pinned Node must come first on the PATH.
    const path = `${join(root, '.toolchain/bin')}:/usr/bin:/bin`;
    const child = spawn(join(root, 'node_modules/.bin', tool), args, {
      cwd: root,
      env: { PATH: path, HOME: '/nonexistent' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TOOL_MILLISECONDS,
    });
    let output = '';
    let stdout = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stdout.on('data', (text: string) => (stdout += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, output }));
  });
}

/** The finding for a tool whose failure says nothing about a file. */
export function toolFailed(tool: string, output: string): Finding {
  return {
    file: 'node_modules/.bin',
    problem: `${tool} failed: ${output.trim().slice(0, 2000)}`,
    remedy: 'run script/setup, then script/check again',
  };
}
