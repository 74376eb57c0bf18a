// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Check, Finding } from './finding.ts';

/** A change of `core` runs every suite again: minutes on two busy cores. What takes longer than this hangs. */
const BAZEL_MILLISECONDS = 20 * 60_000;

/** Asking a server to go. */
const SHUTDOWN_MILLISECONDS = 30_000;

/** What is shown of a failure that is no test: compilers say much. */
const PRINTED_LINES = 40;

const PROGRAM = '/usr/bin/bazel';

/**
 * `bazel test //...`: types, bundles and every unit suite whose inputs changed since it last passed. After the other checks,
 * since some tests measure time. A server that was not running before does not run afterwards.
 */
export const bazelCheck: Check = {
  name: 'bazel',
  isLast: true,
  run: async ({ root }) => {
    if (!existsSync(PROGRAM)) return [{ file: '.bazelrc', problem: 'Bazel is not installed', remedy: 'script/setup --bazel' }];
    const wasRunning = isServerRunning(root);
    const flags = ['--keep_going', '--color=no', '--curses=no', '--noshow_progress'];
    try {
      const { code, output } = await runBazel(root, ['test', ...flags, '//...'], BAZEL_MILLISECONDS);
      return code === 0 ? [] : bazelFindings(output);
    } finally {
      if (!wasRunning) await runBazel(root, ['shutdown'], SHUTDOWN_MILLISECONDS);
    }
  },
};

/** Findings in what `bazel test --keep_going` printed before it failed: one per suite, one per step that failed. */
export function bazelFindings(output: string): Finding[] {
  const lines = output.split('\n');
  const suites = lines.flatMap((line): Finding[] => {
    const [, folder, target, outcome] = /^\/\/([^:\s]*):(\S+)\s+(?:\(cached\) )?((?:FAILED|TIMEOUT)\b.*)$/.exec(line) ?? [];
    if (folder === undefined || target === undefined || outcome === undefined) return [];
    // Not tested because a step before it failed: that step is a finding of its own.
    if (outcome.startsWith('FAILED TO BUILD')) return [];
    return [
      {
        file: `${folder}/BUILD.bazel`,
        problem: `tests: ${outcome}`,
        remedy: `bazel test //${folder}:${target} shows them, script/test ${folder}/ as well`,
      },
    ];
  });
  const steps = lines.flatMap((line, index): Finding[] => {
    const [, problem] = /^ERROR: (.+)$/.exec(line) ?? [];
    if (problem === undefined) return [];
    const end = lines.findIndex((other, at) => at > index && /^(ERROR|INFO|WARNING|FAILED|Target |\/\/|=====)/.test(other));
    const details = lines.slice(index + 1, end < 0 ? undefined : end).slice(0, PRINTED_LINES);
    return [
      {
        file: '.bazelrc',
        problem: [problem, ...details].join('\n    ').trimEnd(),
        remedy: 'correct what it names; bazel build //... shows it again',
      },
    ];
  });
  const found = [...steps, ...suites];
  if (found.length > 0) return found;
  return [
    { file: '.bazelrc', problem: `bazel failed: ${lines.slice(-PRINTED_LINES).join('\n').trim()}`, remedy: 'bazel test //... shows it' },
  ];
}

/** True when this checkout has a Bazel server: where it keeps its number follows from the checkout's path. */
function isServerRunning(root: string): boolean {
  const outputBase = `.cache/bazel/_bazel_${userInfo().username}/${createHash('md5').update(realpathSync(root)).digest('hex')}`;
  const pidFile = join(homedir(), outputBase, 'server/server.pid.txt');
  return existsSync(pidFile) && existsSync(`/proc/${readFileSync(pidFile, 'utf8').trim()}`);
}

function runBazel(root: string, args: readonly string[], milliseconds: number): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(PROGRAM, args, {
      cwd: root,
      // HOME: Bazel keeps its cache there, for all who work on this checkout as this user.
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: homedir() },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: milliseconds,
      killSignal: 'SIGINT', // the client tells the server to stop what it runs
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}
