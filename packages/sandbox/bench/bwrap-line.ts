// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

const UID = 65_534;

/**
 * What a careful person types for a hardened sandbox: all namespaces, no nested user namespaces, no capabilities, own /proc, /dev, /tmp,
 * read-only system, knobs of the kernel read-only, a seccomp program, no environment; under an ordinary uid from the start.
 */
const LINE: readonly string[] = [
  ...['--unshare-user', '--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup', '--disable-userns'],
  ...['--cap-drop', 'ALL', '--die-with-parent', '--hostname', 'sandbox'],
  ...['--ro-bind', '/usr', '/usr', '--symlink', 'usr/bin', '/bin', '--symlink', 'usr/sbin', '/sbin', '--symlink', 'usr/lib', '/lib'],
  ...['--symlink', 'usr/lib64', '/lib64', '--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys', '--dev', '/dev'],
  ...['--tmpfs', '/tmp', '--tmpfs', '/dev/shm', '--tmpfs', '/home', '--ro-bind', '/etc/ssl/certs', '/etc/ssl/certs'],
  ...['--ro-bind', '/etc/passwd', '/etc/passwd', '--ro-bind', '/etc/group', '/etc/group', '--remount-ro', '/dev', '--remount-ro', '/'],
  ...['--clearenv', '--setenv', 'PATH', '/usr/bin:/bin', '--setenv', 'HOME', '/home', '--chdir', '/tmp', '--seccomp', '3'],
];

/** Starts the line with `command`; milliseconds to its first output and to its end. */
export async function bwrapLine(seccomp: Uint8Array, command: readonly string[]): Promise<{ first: number; ended: number }> {
  return timed('/usr/bin/bwrap', [...LINE, '--', ...command], seccomp);
}

/** Any command line under the ordinary uid, with `input` on descriptor 3. */
export async function timed(
  command: string,
  args: readonly string[],
  input: Uint8Array,
  { uid = UID, cwd = '/' }: { readonly uid?: number; readonly cwd?: string } = {},
): Promise<{ first: number; ended: number }> {
  const started = performance.now();
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'], uid, gid: uid, env: {}, cwd });
  const pipe = child.stdio[3] as Writable;
  pipe.on('error', () => undefined);
  pipe.end(input);
  const [output, ended] = [once(child.stdout!, 'data').then(() => performance.now()), once(child, 'close').then(() => performance.now())];
  const first = await Promise.race([output, ended.then(() => Promise.reject(new Error(`${command} ended without output`)))]);
  return { first: first - started, ended: (await ended) - started };
}
