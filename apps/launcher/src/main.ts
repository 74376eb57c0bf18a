// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError, parseInstanceName } from '@bureau/core';
import { instancePaths, readSettings, uidsOf, warmSizes } from '@bureau/instance';
import { serve } from '@bureau/ipc';
import { createLogger, type Logger } from '@bureau/log';
import { disableCoreDumps, setDumpable } from '@bureau/native';
import { CgroupTree, resourceReport, systemClock } from '@bureau/process';
import { launcherContract } from '@bureau/protocol';
import { Launcher, LauncherCredentials, launcherHandlers, openMachineIdentity, openNumbers, openWall } from '@bureau/sandbox';

const LISTENER = 3;
const READY = 4;

const { values } = parseArgs({ options: { instance: { type: 'string', default: '' }, version: { type: 'boolean', default: false } } });
// This file is <build>/lib/launcher.js when installed.
const buildDirectory = dirname(import.meta.dirname);

if (values.version) {
  console.log(basename(buildDirectory));
} else {
  const logger = createLogger({ name: 'launcher' });
  try {
    await main(values.instance, logger);
  } catch (error) {
    logger.fatal({ error: describeError(error) }, 'cannot start');
    process.exit(1);
  }
}

async function main(name: string, logger: Logger): Promise<void> {
  setDumpable(false);
  disableCoreDumps();
  process.umask(0o022);
  const build = basename(buildDirectory);
  const paths = instancePaths(parseInstanceName(name));
  const settings = readSettings(paths);
  const uids = uidsOf(settings.uidBase);
  const machine = await openMachineIdentity(paths.launcherStateDirectory);
  const tree = CgroupTree.open(paths.cgroupName);
  const launcher = new Launcher({
    clock: systemClock,
    logger,
    build,
    buildDirectory,
    environment: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', NODE_COMPILE_CACHE: `${buildDirectory}/compile-cache` },
    paths,
    uids,
    tree,
    numbers: openNumbers(paths.launcherStateDirectory),
    credentials: new LauncherCredentials({
      directory: paths.launcherStateDirectory,
      operatorsDirectory: paths.operatorsDirectory,
      machine: settings.machine,
      identity: machine.identity,
      clock: systemClock,
    }),
    wall: openWall(paths, process.arch),
    warmRelays: warmSizes(settings).relays,
  });
  const adopted = launcher.adopt();
  const resources = resourceReport(tree.controllers);
  const identity = { build, machine: settings.machine, recipient: machine.recipient, identityStore: machine.store, resources };
  const handlers = launcherHandlers(launcher, identity, logger);
  const server = await serve({
    fd: LISTENER,
    contract: launcherContract,
    handlers,
    role: 'launcher',
    build,
    allowUids: [uids.daemon],
    clock: systemClock,
    logger,
  });
  writeSync(READY, 'ready\n');
  logger.info({ machine: settings.machine }, 'serving');
  adopted.catch((error: unknown) => logger.error({ error: describeError(error) }, 'adoption failed'));

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      launcher.release();
      void server.close().finally(() => process.exit(0));
    });
  }
}
