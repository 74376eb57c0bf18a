// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { BureauError, describeError, parseInstanceName } from '@bureau/core';
import { homeserverCommand, homeserverLayout } from '@bureau/homeserver';
import { instancePaths, readSettings, uidsOf, warmSizes } from '@bureau/instance';
import { createLogger, type Logger } from '@bureau/log';
import { setChildSubreaper, tryLockFile } from '@bureau/native';
import { CgroupTree, OrphanReaper, systemClock } from '@bureau/process';
import { LogWatch, MANAGER_GROUP, Stand, makeRunDirectory } from '@bureau/supervise';
import { basename, dirname } from 'node:path';

/** Long after Node has collected its own children: what is still a zombie then is an orphan that came to us as subreaper. */
const REAP_AFTER_MILLISECONDS = 500;

/** What payloads get after a TERM to us. */
const SHUT_DOWN_GRACE_MILLISECONDS = 10_000;

const { values } = parseArgs({ options: { instance: { type: 'string', default: '' }, version: { type: 'boolean', default: false } } });
// This file is <build>/lib/stand.js when installed.
const buildDirectory = dirname(import.meta.dirname);

if (values.version) {
  console.log(basename(buildDirectory));
} else {
  const logger = createLogger({ name: 'stand' });
  try {
    await main(values.instance, logger);
    process.exit(0);
  } catch (error) {
    logger.fatal({ error: describeError(error) }, 'cannot keep this instance');
    process.exit(1);
  }
}

/** Keeps the instance until it is told to leave. What it throws, it throws before anything was started. */
async function main(name: string, logger: Logger): Promise<void> {
  const paths = instancePaths(parseInstanceName(name));
  using lock = tryLockFile(`${paths.stateDir}/stand.lock`);
  if (lock === null)
    throw new BureauError('stand_busy', `Another service manager keeps this instance: it holds ${paths.stateDir}/stand.lock`);
  const settings = readSettings(paths);
  makeRunDirectory(paths.runDir);
  setChildSubreaper();
  process.umask(0o022);

  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const tree = CgroupTree.open(paths.cgroupName);
  const own = tree.group(MANAGER_GROUP);
  own.create();
  own.add(process.pid);
  const stand = new Stand(
    {
      paths,
      instance: name,
      buildDirectory,
      build: basename(buildDirectory),
      uids: uidsOf(settings.uidBase),
      homeserverPort: settings.homeserverPort,
      hasHomeserver: settings.joined !== true,
      homeserverCommand: homeserverCommand(homeserverLayout(paths.homeserverStateDirectory)),
    },
    { clock: systemClock, logger, tree, leave, warmProxies: warmSizes(settings).proxies },
  );
  const reaper = new OrphanReaper(() => stand.children());
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
        .shutDown(SHUT_DOWN_GRACE_MILLISECONDS)
        .catch((error: unknown) => logger.error({ error: describeError(error) }, 'shut down failed'))
        .finally(leave);
    });
  }
  using _logs = new LogWatch(paths.logDir, { clock: systemClock, logger });
  await stand.start();
  await left;
  await stand[Symbol.asyncDispose]();
  logger.info({}, 'leaving');
}
