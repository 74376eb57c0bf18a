// SPDX-License-Identifier: Apache-2.0
import { basename } from 'node:path';
import { describeError, parseInstanceName } from '@bureau/core';
import { instancePaths, readSettings, uidsOf, warmSizes } from '@bureau/instance';
import { serve } from '@bureau/ipc';
import { AuditLog, type Logger } from '@bureau/log';
import { disableCoreDumps, setDumpable } from '@bureau/native';
import { CgroupTree, resourceReport, systemClock } from '@bureau/process';
import { launcherContract } from '@bureau/protocol';
import {
  auditRefused,
  Launcher,
  LauncherCredentials,
  launcherHandlers,
  openMachineIdentity,
  readIdentitySettings,
  rehearseUnseal,
  openNumbers,
  openWall,
  type FaultPoints,
} from '@bureau/sandbox';

/** The listening socket, bound by whoever starts the launcher. */
const LISTENER = 3;

/** What a launcher's process is made of. */
export interface LauncherProcessOptions {
  /** The instance's name; empty for the default one. */
  readonly name: string;
  /** Holds `bin/node` and `lib/relay.js`; its own name is the build's. */
  readonly buildDirectory: string;
  readonly architecture: string;
  readonly logger: Logger;
  readonly faults: FaultPoints;
}

/** A launcher that serves. */
export interface LauncherProcess {
  /** Lets go of everything without stopping it, and closes. */
  close(): Promise<void>;
}

/** Makes this process the launcher of an instance: undebuggable, without core dumps, serving. Throws what keeps it from starting. */
export async function startLauncher({
  name,
  buildDirectory,
  architecture,
  logger,
  faults,
}: LauncherProcessOptions): Promise<LauncherProcess> {
  setDumpable(false);
  disableCoreDumps();
  const build = basename(buildDirectory);
  const paths = instancePaths(parseInstanceName(name));
  const settings = readSettings(paths);
  const uids = uidsOf(settings.uidBase);
  const machine = await openMachineIdentity(paths.launcherStateDirectory, readIdentitySettings(`${paths.configDir}/identity.json`));
  logger.info({ identityStore: machine.store, notBetter: machine.notBetter }, 'identity opened');
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
      policyFile: paths.policyFile,
      machine: settings.machine,
      identity: machine.identity,
      clock: systemClock,
    }),
    wall: openWall(paths, architecture, { MACHINE_NAME: settings.machine, SERVER_NAME: settings.serverName }),
    warmRelays: warmSizes(settings).relays,
    faults,
  });
  // The first of a process compiles it: 10 ms that the first sandbox would wait for.
  await rehearseUnseal(machine.identity);
  const adopted = launcher.adopt();
  const resources = resourceReport(tree.controllers);
  const identity = { build, machine: settings.machine, recipient: machine.recipient, identityStore: machine.store, resources };
  const audit = new AuditLog(logger, systemClock);
  const server = await serve({
    fd: LISTENER,
    contract: launcherContract,
    handlers: launcherHandlers(launcher, identity, audit),
    onRefused: auditRefused(audit),
    role: 'launcher',
    build,
    allowUids: [uids.daemon],
    clock: systemClock,
    logger,
  });
  logger.info({ machine: settings.machine }, 'serving');
  adopted.catch((error: unknown) => logger.error({ error: describeError(error) }, 'adoption failed'));
  return {
    close: async () => {
      launcher.release();
      await server.close();
      audit[Symbol.dispose]();
    },
  };
}
