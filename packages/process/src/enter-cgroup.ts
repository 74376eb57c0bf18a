// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { UsageError } from '@bureau/core';
import type { Cgroup } from './cgroup.ts';
import type { StartChildOptions } from './child.ts';
import type { CommandLine } from './drop-privileges.ts';

/** Enters the group whose file is `$1`, then becomes the command. Before its first instruction, so that nothing it forks is outside. */
const ENTER = 'echo 0 > "$1" && shift && unset PWD && exec "$@"';
/** What a shell passes on to the command untouched. */
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Variables with a meaning of their own to the shell: it would rewrite them. */
const SHELL_OWN: ReadonlySet<string> = new Set(['IFS', 'LINENO', 'OLDPWD', 'OPTIND', 'PPID', 'PWD']);

/**
 * The command line that runs `command` inside `cgroup` from its first instruction, with the same environment. The arguments reach the
 * shell as words of its argument list, never as text that it reads. Throws a UsageError for a variable that the shell would not pass on.
 */
export function enteringCgroup(cgroup: Cgroup, { command, args, env }: Pick<StartChildOptions, 'command' | 'args' | 'env'>): CommandLine {
  const lost = Object.keys(env).find((name) => !SHELL_NAME.test(name) || SHELL_OWN.has(name));
  if (lost !== undefined) {
    throw new UsageError(
      'bad_environment_name',
      `The environment variable ${JSON.stringify(lost)} cannot be passed into a control group: a shell starts the command and keeps it.`,
      {
        data: { name: lost },
      },
    );
  }
  return { command: '/bin/sh', args: ['-c', ENTER, 'sh', join(cgroup.path, 'cgroup.procs'), command, ...args] };
}
