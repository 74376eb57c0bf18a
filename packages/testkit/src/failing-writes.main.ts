// SPDX-License-Identifier: Apache-2.0
/**
 * `node --import` of this file: a process of a stand in which the disk is full (ENOSPC) or read-only (EROFS) from one of its writes on,
 * or that is killed right before it (SIGKILL).
 *
 * `fault.json` beside this file says which process, which error, and what lies on that disk. The first write that `seen` does not
 * hold yet is added to it and fails, and so does every later one, as on a real disk, until `fault.json` is gone or another one.
 * So a test that repeats its work walks every write, each with those before it done.
 */
import * as real from 'node:fs';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';

interface Fault {
  readonly id: number;
  readonly program: string;
  readonly code: 'ENOSPC' | 'EROFS' | 'SIGKILL';
  readonly directories: readonly string[];
}

const { appendFileSync, existsSync, lstatSync, readFileSync, readlinkSync } = real;
const { O_CREAT, O_RDWR, O_WRONLY } = real.constants;
const WORDS: Record<string, string> = { ENOSPC: 'no space left on device', EROFS: 'read-only file system' };
const directory = import.meta.dirname;
const program = basename(process.argv[1] ?? '', '.js');
const state: { tripped: number | undefined } = { tripped: undefined };

function currentFault(): Fault | undefined {
  try {
    const fault = JSON.parse(readFileSync(join(directory, 'fault.json'), 'utf8')) as Fault;
    return fault.program === program ? fault : undefined;
  } catch {
    return undefined;
  }
}

function lines(): string[] {
  return readFileSync(join(directory, 'seen'), 'utf8').split('\n');
}

/**
 * Names without what differs from run to run: temporary names, numbers of principals and processes; and from host to host: of the copy of
 * the host's `/etc` (hundreds of certificates, all written by the same three lines) each kind of call is one write.
 */
function nameless(root: string, path: string): string {
  const rest = path
    .slice(root.length)
    .replaceAll(/\.bureau-[0-9a-f]+/g, '.bureau-*')
    .replace(/^(\/\.etc)\/[0-9a-f]{16}/, '$1/*')
    .replace(/^(\/\.etc\/\.new-\d+)\/.*/, '$1/*');
  return root + rest.replaceAll(/\d+/g, 'N');
}

/** Throws when this write is to fail. */
function write(call: string, path: string, onlyReadOnly = false): void {
  const fault = currentFault();
  if (fault === undefined || (onlyReadOnly && fault.code !== 'EROFS')) return;
  const root = fault.directories.find((each) => path === each || path.startsWith(`${each}/`));
  if (root === undefined) return;
  if (state.tripped !== fault.id) {
    const point = `${call} ${nameless(root, path)}`;
    if (lines().includes(point)) return;
    appendFileSync(join(directory, 'seen'), `${point}\n`);
    state.tripped = fault.id;
    if (fault.code === 'SIGKILL') process.kill(process.pid, 'SIGKILL');
  }
  throw Object.assign(new Error(`${fault.code}: ${WORDS[fault.code]}, ${call} '${path}'`), { code: fault.code, syscall: call, path });
}

function pathOf(file: unknown): string {
  if (typeof file !== 'number') return String(file);
  try {
    return readlinkSync(`/proc/self/fd/${file}`);
  } catch {
    return '';
  }
}

function isThere(path: unknown): boolean {
  return lstatSync(String(path), { throwIfNoEntry: false }) !== undefined;
}

/** Before each call of node:fs: what the kernel would look at first. */
const checks: Record<string, (...parameters: unknown[]) => void> = {
  openSync(path, flags) {
    const writes = typeof flags === 'string' ? /[wa+]/.test(flags) : (Number(flags) & (O_WRONLY | O_RDWR)) !== 0;
    const creates = typeof flags === 'string' ? /[wa]/.test(flags) : (Number(flags) & O_CREAT) !== 0;
    if (writes) write('open', String(path), !(creates && !existsSync(String(path))));
  },
  writeSync: (descriptor) => write('write', pathOf(descriptor)),
  writeFileSync: (file) => write('write', pathOf(file)),
  copyFileSync: (_from, to) => write('copy', String(to)),
  ftruncateSync: (descriptor) => write('truncate', pathOf(descriptor), true),
  mkdirSync(path) {
    if (!isThere(path)) write('mkdir', String(path));
  },
  symlinkSync(_target, path) {
    if (!isThere(path)) write('symlink', String(path));
  },
  linkSync(_from, to) {
    if (!isThere(to)) write('link', String(to));
  },
  renameSync: (_from, to) => write('rename', String(to)),
  unlinkSync(path) {
    if (isThere(path)) write('unlink', String(path), true);
  },
  rmSync(path) {
    if (isThere(path)) write('remove', String(path), true);
  },
  rmdirSync(path) {
    if (isThere(path)) write('rmdir', String(path), true);
  },
  chmodSync: (path) => write('chmod', String(path), true),
  chownSync: (path) => write('chown', String(path), true),
  fchmodSync: (descriptor) => write('chmod', pathOf(descriptor), true),
  fchownSync: (descriptor) => write('chown', pathOf(descriptor), true),
};

for (const [name, check] of Object.entries(checks)) {
  const calls = fs as unknown as Record<string, (...parameters: unknown[]) => unknown>;
  const original = calls[name] as (...parameters: unknown[]) => unknown;
  calls[name] = (...parameters) => {
    check(...parameters);
    return original(...parameters);
  };
}
syncBuiltinESMExports();
