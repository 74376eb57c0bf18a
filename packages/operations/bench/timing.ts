// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';

/** Milliseconds from the start of a command to its first byte of output; rejects when it fails or says nothing. */
export function firstOutput(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment },
    });
    let first = Number.NaN;
    let said = '';
    child.stdout.once('data', () => (first = performance.now() - start));
    child.stderr.on('data', (piece: Buffer) => (said = `${said}${piece.toString('utf8')}`.slice(-500)));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0 && !Number.isNaN(first)) resolve(first);
      else reject(new Error(`${command} ended with ${code} and ${Number.isNaN(first) ? 'no output' : 'output'}: ${said}`));
    });
  });
}

/** Milliseconds from start to end of a command; rejects when it fails. */
export function wholeRun(command: string, args: readonly string[]): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'ignore', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(performance.now() - start) : reject(new Error(`${command} ended with ${code}`))));
  });
}
