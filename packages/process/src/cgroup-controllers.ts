// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describeError, hasCode } from '@bureau/core';

/** What the kernel can hold a group to. */
export const CONTROLLERS = ['memory', 'pids', 'cpu', 'io'] as const;
export type ControllerName = (typeof CONTROLLERS)[number];

/** Where one controller is driven on this host. */
export interface Controller {
  readonly name: ControllerName;
  readonly version: 1 | 2;
  /** Version 1: the root of its own tree. Version 2: the root of the unified one. */
  readonly root: string;
}

/** A controller that cannot be used here, and what would help. */
export interface MissingController {
  readonly name: ControllerName;
  readonly reason: string;
}

/** As this host has them: each of `CONTROLLERS` in exactly one of the two lists. */
export interface ControllerSupport {
  readonly present: readonly Controller[];
  readonly missing: readonly MissingController[];
}

/** The name of a controller in version 1, where it differs. */
const VERSION_1_NAME: Readonly<Record<ControllerName, string>> = { memory: 'memory', pids: 'pids', cpu: 'cpu', io: 'blkio' };

/**
 * Finds, for each controller, the unified tree first, else its own tree of version 1; switches those of the unified tree on for the
 * groups below `instance` (a directory right below the unified root), and makes a directory of that name in the others. Root only. Never throws: what cannot be had is a finding.
 */
export function findControllers(instance: string, mounts: string = readMounts()): ControllerSupport {
  const root = dirname(instance);
  const unified = wordsOf(join(root, 'cgroup.controllers'));
  const present: Controller[] = [];
  const missing: MissingController[] = [];
  for (const name of CONTROLLERS) {
    const own = unified.includes(name) ? undefined : versionOneRoot(mounts, VERSION_1_NAME[name]);
    const refusal = unified.includes(name) ? switchOn(name, [root, instance]) : own && makeInstance(join(own, basename(instance)));
    if (unified.includes(name) && refusal === undefined) present.push({ name, version: 2, root });
    else if (own !== undefined && refusal === undefined) present.push({ name, version: 1, root: own });
    else missing.push({ name, reason: refusal ?? `neither the unified tree nor a tree of version 1 has the controller "${name}"` });
  }
  return { present, missing };
}

/** Where a controller of version 1 is mounted. Pure. */
function versionOneRoot(mounts: string, name: string): string | undefined {
  for (const line of mounts.split('\n')) {
    const [, path, type, options] = line.split(' ');
    if (type === 'cgroup' && path !== undefined && options?.split(',').includes(name) === true) return path;
  }
  return undefined;
}

/** The instance's own directory in a tree of version 1; says why it cannot be. */
function makeInstance(directory: string): string | undefined {
  try {
    // Not recursive: its parent is the root of the tree, and Node never returns from a recursive one in /proc.
    mkdirSync(directory);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return undefined;
    return `${directory} cannot be made (${describeError(error)}): mount that tree writable`;
  }
}

/** Passes a controller on to the groups below; says why not. */
function switchOn(name: ControllerName, directories: readonly string[]): string | undefined {
  for (const directory of directories) {
    const file = join(directory, 'cgroup.subtree_control');
    if (wordsOf(file).includes(name)) continue;
    try {
      writeFileSync(file, `+${name}`, { flag: 'r+' });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error';
      return `${file} does not take "+${name}" (${code}): delegate the controller to this tree (systemd: Delegate=yes)`;
    }
  }
  return undefined;
}

function wordsOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split(/\s+/) : [];
}

function readMounts(): string {
  try {
    return readFileSync('/proc/self/mounts', 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  }
}
