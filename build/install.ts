// SPDX-License-Identifier: Apache-2.0
/**
 * Installs the current build below /usr/lib/bureau, root-owned, where every process runs from: `NAME/{lib,node_modules,bin,inside,compile-cache}`.
 * `.complete` is written last: a build without it is what an interrupted run left, and is made anew. script/install holds the lock.
 *   install.ts           prints the build's name
 *   install.ts --prune   also removes builds that nothing refers to
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from './bundle.ts';
import { warmCompileCache } from './compile-cache.ts';
import { BUILD_NAME } from './inputs.ts';
import { pruneBuilds } from './prune-builds.ts';

/** Copies `.build/NAME` of `root` to `<library>/NAME` unless it is there; returns problems that do not stop it from running. */
export function installBuild(root: string, library: string, name: string, node: string): string[] {
  mkdirSync(library, { recursive: true, mode: 0o755 });
  removeInterrupted(library);
  const target = join(library, name);
  if (existsSync(join(target, '.complete'))) return [];
  rmSync(target, { recursive: true, force: true });
  const fresh = join(library, `.new-${name}`);
  const source = join(root, '.build', name);
  for (const part of ['lib', 'node_modules', 'package.json']) copyTree(join(source, part), join(fresh, part));
  makeDirectory(join(fresh, 'bin'));
  linkSync(installNode(library, node), join(fresh, 'bin/node'));
  if (existsSync(join(source, 'inside'))) copyTree(join(source, 'inside'), join(fresh, 'inside'), 0o755);
  const starter = 'bin/bureau-starter';
  if (existsSync(join(source, starter))) copyFile(join(source, starter), join(fresh, starter), 0o755);
  syncPath(fresh);
  renameSync(fresh, target);
  const applications = readdirSync(join(target, 'lib')).flatMap((file) => (file.endsWith('.js') ? [file.slice(0, -3)] : []));
  const problems = warmCompileCache(target, applications); // at its final place: the cache knows modules by their path
  writeFileSync(join(target, '.complete'), '', { mode: 0o644, flush: true });
  syncPath(target);
  syncPath(library);
  return problems;
}

/** One file of each Node version, linked into the builds that use it: 120 MB once. */
function installNode(library: string, node: string): string {
  const target = join(library, `node-${process.version}`, 'node');
  if (existsSync(target) && statSync(target).size === statSync(node).size) return target;
  makeDirectory(dirname(target));
  copyFile(node, `${target}.new`, 0o755);
  renameSync(`${target}.new`, target);
  return target;
}

/** What an interrupted run left: nobody else installs, the lock is ours. */
function removeInterrupted(library: string): void {
  for (const entry of readdirSync(library)) {
    const halfMade = entry.startsWith('.new-') || (BUILD_NAME.test(entry) && !existsSync(join(library, entry, '.complete')));
    if (halfMade) rmSync(join(library, entry), { recursive: true, force: true });
  }
}

function copyTree(from: string, to: string, mode = 0o644): void {
  if (!statSync(from).isDirectory()) return copyFile(from, to, mode);
  makeDirectory(to);
  for (const name of readdirSync(from)) copyTree(join(from, name), join(to, name), mode);
}

function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
  chownSync(path, 0, 0);
  chmodSync(path, 0o755); // whatever the umask
}

function copyFile(from: string, to: string, mode: number): void {
  copyFileSync(from, to);
  chownSync(to, 0, 0);
  chmodSync(to, mode);
  syncPath(to);
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function main(): Promise<void> {
  const root = join(import.meta.dirname, '..');
  const library = process.env['BUREAU_LIBRARY_DIR'] ?? '/usr/lib/bureau';
  const unknown = process.argv.slice(2).find((argument) => argument !== '--prune');
  if (unknown !== undefined) throw new Error(`unknown argument ${unknown}; expected nothing or --prune`);
  const name = await build(root);
  for (const problem of installBuild(root, library, name, process.execPath)) console.error(`script/install: ${problem}`);
  if (process.argv.includes('--prune')) {
    for (const removed of pruneBuilds({ library, keep: name, configuration: '/etc', processes: '/proc' }))
      console.error(`script/install: removed build ${removed}`);
  }
  console.log(name);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const remedy = ['ENOSPC', 'EDQUOT', 'EROFS'].includes(code)
      ? '. Make room, or the disk writable, and run it again; what is half made is not used'
      : '';
    console.error(`script/install: ${error instanceof Error ? error.message : String(error)}${remedy}`);
    process.exitCode = 1;
  }
}
