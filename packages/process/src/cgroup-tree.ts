// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BureauError, UsageError, hasCode } from '@bureau/core';
import { findControllers, type ControllerSupport } from './cgroup-controllers.ts';
import type { GroupLimits } from './cgroup-limit-files.ts';
import { LimitedCgroup } from './cgroup-limited.ts';
import { Cgroup } from './cgroup.ts';
import { CGROUP_NAME_MAX_BYTES } from './limits.ts';

/** Where the unified tree (cgroup v2) may be: beside version 1, or alone. */
const UNIFIED_ROOTS: readonly string[] = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'];
/** Parts of letters, digits and dashes joined by dots; never `.`, `..` or empty. */
const GROUP_NAME = /^[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*$/;

/** For tests and odd mounts. */
export interface CgroupTreeOptions {
  /** Directories that are tried as the root of the unified tree, the first that is one wins. */
  readonly roots?: readonly string[];
}

/** The directory of the unified tree that belongs to one instance of Bureau, one group per sandbox or service below it. */
export class CgroupTree {
  readonly path: string;
  #support: ControllerSupport | undefined;

  private constructor(path: string) {
    this.path = path;
  }

  /** What groups of this tree can be held to on this host; looked up once, and switched on where it has to be. */
  get controllers(): ControllerSupport {
    return (this.#support ??= findControllers(this.path));
  }

  /**
   * Finds the unified tree and makes the instance's directory in it (an existing one is kept). Root only.
   * Throws `cgroup_unavailable`, which says what is missing, and a UsageError `bad_cgroup_name`.
   */
  static open(name: string, options: CgroupTreeOptions = {}): CgroupTree {
    const roots = options.roots ?? UNIFIED_ROOTS;
    const root = roots.find((directory) => existsSync(join(directory, 'cgroup.controllers')));
    if (root === undefined)
      throw unavailable(`no unified tree is mounted at ${roots.join(' or ')}. Mount one: mount -t cgroup2 none ${roots[0]}`);
    const path = join(root, checkedGroupName(name));
    try {
      new Cgroup(path).create();
    } catch (error) {
      throw unavailable(`${path} could not be made. Run as root, with ${root} mounted writable`, error);
    }
    if (!existsSync(join(path, 'cgroup.kill'))) throw unavailable(`${path}/cgroup.kill is missing: Linux 5.14 or later is needed`);
    return new CgroupTree(path);
  }

  /** The group of this name (`[a-z0-9-]`, dots between); nothing is made until `create`. */
  group(name: string): Cgroup {
    return new Cgroup(join(this.path, checkedGroupName(name)));
  }

  /** Like `group`, held to limits once it is made, as far as `controllers` says that this host can. */
  limited(name: string, limits: GroupLimits): LimitedCgroup {
    return new LimitedCgroup(join(this.path, checkedGroupName(name)), this.controllers.present, limits);
  }

  /** Names of the groups that exist now, sorted; empty after `remove`. */
  list(): string[] {
    try {
      const entries = readdirSync(this.path, { withFileTypes: true });
      return entries
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .sort();
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /** Removes the instance's directory and every group in it. Throws `cgroup_busy` when processes live in one. */
  remove(): void {
    for (const { version, root } of this.controllers.present) if (version === 1) new Cgroup(join(root, basename(this.path))).remove();
    new Cgroup(this.path).remove();
  }
}

function unavailable(what: string, cause?: unknown): BureauError {
  return new BureauError('cgroup_unavailable', `Bureau needs control groups to end what runs: ${what}.`, { cause });
}

function checkedGroupName(name: string): string {
  if (GROUP_NAME.test(name) && name.length <= CGROUP_NAME_MAX_BYTES) return name;
  throw new UsageError(
    'bad_cgroup_name',
    `A group name has 1 to ${CGROUP_NAME_MAX_BYTES} of [a-z0-9-], with dots between; found ${JSON.stringify(name)}.`,
    { data: { name } },
  );
}
