// SPDX-License-Identifier: Apache-2.0
import { openLogFile } from '@bureau/files';
import { WarmPool } from '@bureau/process';
import type { LauncherDeps } from './launcher-deps.ts';
import type { QuietMoment } from './quiet-moment.ts';
import { RELAY_PREFIX } from './relay-groups.ts';

/** The relays that wait for a sandbox. What they run is the same for all; who they become is told when one is taken. */
export function relayPool(
  deps: Pick<LauncherDeps, 'buildDirectory' | 'environment' | 'paths' | 'tree' | 'clock' | 'logger' | 'warmRelays'>,
  quiet: QuietMoment,
): WarmPool {
  const { buildDirectory, environment, paths, tree, clock, logger, warmRelays } = deps;
  return new WarmPool({
    size: warmRelays,
    program: {
      command: `${buildDirectory}/bin/node`,
      // No helper threads that a relay has no use for. The middle compiler would begin in the third life that a relay goes through, after
      // two that it rehearses, and take a sixth of the processor's time of a start; what runs for long still gets to the last one.
      args: ['--v8-pool-size=0', '--disable-sigusr1', '--no-maglev', `${buildDirectory}/lib/relay.js`],
      hurriedArgs: ['--at-once'],
      // One helper thread for files: every thread has to take the relay's uid and is looked at then.
      environment: { ...environment, UV_THREADPOOL_SIZE: '1' },
      openLog: () => openLogFile(`${paths.logDir}/relay-pool.log`),
    },
    tree,
    prefix: RELAY_PREFIX,
    clock,
    whenQuiet: () => quiet.wait(),
    onFailure: (message) => logger.error({ error: message }, 'a waiting relay was lost'),
  });
}
