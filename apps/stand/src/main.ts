// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { describeError, parseInstanceName } from '@bureau/core';
import { homeserverCommand, homeserverLayout } from '@bureau/homeserver';
import { instancePaths, readSettings, uidsOf } from '@bureau/instance';
import { createLogger } from '@bureau/log';
import { setChildSubreaper, tryLockFile } from '@bureau/native';
import { CgroupTree, OrphanReaper, systemClock } from '@bureau/process';
import { Stand } from '@bureau/supervise';
import { basename, dirname } from 'node:path';

/** After the last word of a child's end. */
const REAP_AFTER_MILLISECONDS = 500;

const { values } = parseArgs({ options: { instance: { type: 'string', default: '' }, version: { type: 'boolean', default: false } } });
// This file is <build>/lib/stand.js when installed.
const buildDirectory = dirname(import.meta.dirname);

if (values.version) {
  console.log(basename(buildDirectory));
} else {
  await main(values.instance);
}

async function main(name: string): Promise<void> {
  const paths = instancePaths(parseInstanceName(name));
  const logger = createLogger({ name: 'stand' });
  using lock = tryLockFile(`${paths.stateDir}/stand.lock`);
  if (lock === null) {
    logger.error({}, 'another service manager keeps this instance');
    process.exitCode = 1;
    return;
  }
  const settings = readSettings(paths);
  setChildSubreaper();
  process.umask(0o022);

  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const tree = CgroupTree.open(paths.cgroupName);
  const stand = new Stand(
    {
      paths,
      instance: name,
      buildDirectory,
      build: basename(buildDirectory),
      uids: uidsOf(settings.uidBase),
      homeserverPort: settings.homeserverPort,
      homeserverCommand: homeserverCommand(homeserverLayout(paths.homeserverStateDirectory)),
    },
    { clock: systemClock, logger, tree, leave },
  );
  const reaper = new OrphanReaper(() => stand.children());
  // Node has collected its own children long before this; what is still a zombie then is an orphan that came to us as subreaper.
  let reaping: NodeJS.Timeout | undefined;
  process.on('SIGCHLD', () => {
    reaping ??= setTimeout(() => {
      reaping = undefined;
      reaper.reap();
    }, REAP_AFTER_MILLISECONDS);
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      stand
        .shutDown(10_000)
        .catch((error: unknown) => logger.error({ error: describeError(error) }, 'shut down failed'))
        .finally(leave);
    });
  }
  await stand.start();
  await left;
  await stand[Symbol.asyncDispose]();
  logger.info({}, 'leaving');
  process.exit(0);
}
