// SPDX-License-Identifier: Apache-2.0
/**
 * Holds node_modules to package-lock.json: `verify-installed.ts VERIFIED` compares it, byte by byte, with VERIFIED, a hoisted
 * install of the same lock, and checks that nothing else is there and that every manifest asks for what the lock says.
 *
 * Why: npm 11's linked install strategy (.npmrc) does not check `integrity` at all (tried: a wrong hash installs silently; the
 * hoisted strategy refuses it), so script/setup installs once hoisted and compares. And `npm ci` cannot be used: it refuses a
 * lock without the optional binaries of other platforms, which is what npm writes where the registry is a partial mirror.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
}
export type Lock = Readonly<Record<string, LockedPackage>>;

/** Returns `name@version` → folder of all packages that a `.package-lock.json` or `package-lock.json` says are from npm. */
export function foldersOf(lock: Lock): Map<string, string> {
  const found = new Map<string, string>();
  for (const [path, entry] of Object.entries(lock)) {
    if (entry.link === true || entry.version === undefined || !path.includes('node_modules/')) continue;
    found.set(`${path.split('node_modules/').at(-1)}@${entry.version}`, path);
  }
  return found;
}

/** Returns one line per workspace dependency that differs between its package.json and the lock. */
export function manifestDifferences(lock: Lock, manifestOf: (folder: string) => LockedPackage): string[] {
  const found: string[] = [];
  for (const [folder, locked] of Object.entries(lock)) {
    if (folder.includes('node_modules/')) continue;
    const manifest = manifestOf(folder);
    for (const kind of ['dependencies', 'devDependencies'] as const) {
      const [wanted, has] = [manifest[kind] ?? {}, locked[kind] ?? {}];
      for (const name of new Set([...Object.keys(wanted), ...Object.keys(has)])) {
        if (wanted[name] === has[name]) continue;
        const asks = `${join(folder, 'package.json')} asks for ${name} ${wanted[name] ?? '(not at all)'}`;
        found.push(`${asks}, package-lock.json says ${has[name] ?? 'nothing'}: run script/npm install and commit the lock`);
      }
    }
  }
  return found;
}

/** Returns one line per package of `installed` that the lock does not hold with an integrity. */
export function unlocked(lock: Lock, installed: Lock): string[] {
  const locked = foldersOf(lock);
  return [...foldersOf(installed).keys()].flatMap((id) => {
    const path = locked.get(id);
    if (path === undefined)
      return [`node_modules holds ${id}, which package-lock.json does not name: remove node_modules, run script/setup`];
    return lock[path]?.integrity === undefined ? [`package-lock.json gives no integrity for ${id}`] : [];
  });
}

/** What is below a package and in no tarball: other packages. */
const OTHER_PACKAGES = ['node_modules'];

/** Returns the files below `actual` that differ from those below `verified`, missing and additional ones included. */
export function differingFiles(verified: string, actual: string, leftOut: readonly string[] = OTHER_PACKAGES): string[] {
  const names = new Set([...readdirSync(verified), ...readdirSync(actual)]);
  return [...names].flatMap((name) => {
    if (leftOut.includes(name)) return [];
    const [a, b] = [join(verified, name), join(actual, name)];
    const [statA, statB] = [statSync(a, { throwIfNoEntry: false }), statSync(b, { throwIfNoEntry: false })];
    if (statA?.isDirectory() === true && statB?.isDirectory() === true) return differingFiles(a, b, []);
    if (statA?.isFile() !== true || statB?.isFile() !== true || statA.size !== statB.size) return [b];
    return readFileSync(a).equals(readFileSync(b)) ? [] : [b];
  });
}

function readPackages(path: string): Lock {
  return (JSON.parse(readFileSync(path, 'utf8')) as { packages: Lock }).packages;
}

function verify(root: string, verifiedRoot: string): string[] {
  const lock = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(join(root, 'node_modules/.package-lock.json'));
  const verified = foldersOf(readPackages(join(verifiedRoot, 'node_modules/.package-lock.json')));
  const manifestOf = (folder: string): LockedPackage =>
    JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as LockedPackage;
  const found = [...manifestDifferences(lock, manifestOf), ...unlocked(lock, installed)];
  for (const [id, folder] of foldersOf(installed)) {
    const from = verified.get(id);
    if (from === undefined) {
      found.push(`${id} is not in the verified install`);
      continue;
    }
    const files = differingFiles(join(verifiedRoot, from), join(root, folder));
    found.push(...files.map((file) => `${file} is not what package-lock.json locks: remove node_modules, run script/setup`));
  }
  return found;
}

if (import.meta.main) {
  const [verifiedRoot] = process.argv.slice(2);
  if (verifiedRoot === undefined) throw new Error('usage: verify-installed.ts VERIFIED_ROOT');
  const found = verify(join(import.meta.dirname, '..'), verifiedRoot);
  for (const line of found) console.error(line);
  process.exitCode = found.length === 0 ? 0 : 1;
}
