// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { HomeserverLayout } from './layout.ts';

export interface HomeserverCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/**
 * Where `deploy/matrix/install.sh` puts Synapse for this lock file's content (`requirements.txt`, byte for byte).
 * A directory without `.complete` in it is not to be used.
 */
export function homeserverLibrary(requirements: Uint8Array, libraryDirectory = '/usr/lib/bureau'): string {
  return `${libraryDirectory}/homeserver/${createHash('sha256').update(requirements).digest('hex').slice(0, 16)}`;
}

/**
 * How Synapse is started, in the foreground, without secrets in argv or environment. The caller drops to the homeserver's uid.
 * `-I`: neither the working directory nor a `PYTHON…` variable can bring in other modules.
 */
export function homeserverCommand(layout: HomeserverLayout): HomeserverCommand {
  return {
    command: `${layout.libraryLink}/bin/python`,
    args: ['-I', '-m', 'synapse.app.homeserver', '-c', layout.configFile],
    env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: layout.dataDirectory },
    cwd: layout.dataDirectory,
  };
}
