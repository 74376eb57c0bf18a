// SPDX-License-Identifier: Apache-2.0
import { describeError, type InstanceName, type RoomId } from '@bureau/core';
import {
  instancePaths,
  readDaemonSession,
  readMachine,
  readSettings,
  revocationMarkFile,
  uidsOf,
  type MachineSettings,
} from '@bureau/instance';
import { connect, serve } from '@bureau/ipc';
import type { Logger } from '@bureau/log';
import { MatrixClient } from '@bureau/matrix';
import { MachineSync } from '@bureau/matrix-sync';
import { systemClock } from '@bureau/process';
import {
  EVENT_TYPES,
  MACHINE_CONFIG,
  MACHINE_REVOCATION,
  PRINCIPAL_STATUS,
  daemonContract,
  launcherContract,
  type MachineStatusContent,
  type StartCondition,
} from '@bureau/protocol';
import {
  LauncherLink,
  Reconciler,
  RelayRoutes,
  Runs,
  StatusPublisher,
  StatusReporter,
  StatusWatch,
  countStates,
  daemonHandlers,
  ownStatuses,
  openMemoryFile,
  templateDistrust,
  type Desired,
  type Facts,
  type RoomLook,
} from '@bureau/reconcile';
import { machineHandlers, type RoomCommands } from '@bureau/room-commands';
import { startMachineReports } from './machine-reports.ts';
import { machineRules } from './machine-rules.ts';
import { isOwnInvitation } from './own-invitation.ts';
import { takeCommands } from './take-commands.ts';
import { watchRevocation } from './watch-revocation.ts';

/** Nothing depends on presence, least of all a daemon's end. */
const PRESENCE_MILLISECONDS = 1_000;

export interface DaemonStart {
  readonly instance: InstanceName;
  readonly build: string;
  /** Descriptor of the listener that the service manager bound. */
  readonly listener: number;
  readonly logger: Logger;
}

/** Builds the daemon's parts, connects them, starts them; the returned function stops them in order. */
export async function startDaemon({ instance, build, listener, logger }: DaemonStart): Promise<() => Promise<void>> {
  const clock = systemClock;
  const paths = instancePaths(instance);
  const machine = readMachine(paths);
  const uids = uidsOf(readSettings(paths).uidBase);
  const accessToken = readDaemonSession(paths);
  const startedAt = clock.now();

  const statuses = new StatusWatch();
  const runs = new Runs();
  const memory = openMemoryFile(`${paths.daemonStateDirectory}/memory.sqlite`, (what, error) =>
    logger.error({ error: describeError(error) }, what),
  );
  const launcher = new LauncherLink({
    connect: () => connect({ path: paths.launcherSocket, contract: launcherContract, role: 'daemon', build, expectUid: 0, clock }),
    clock,
    logger,
    onChange: () => onChange(),
  });
  const sync = new MachineSync({
    homeserverUrl: machine.homeserverUrl,
    userId: machine.userId,
    accessToken,
    directory: paths.daemonStateDirectory,
    clock,
    logger,
    onChange: () => onChange(),
    rooms: [machine.configRoom, machine.templateRoom],
    stateTypes: [
      'm.room.create',
      'm.room.power_levels',
      EVENT_TYPES.assignment,
      EVENT_TYPES.credentials,
      EVENT_TYPES.template,
      PRINCIPAL_STATUS.type,
      MACHINE_CONFIG.type,
      MACHINE_REVOCATION.type,
    ],
    messages: { types: ['m.room.message'], take: async (room, events) => commands.take(room, events) },
    accepts: (invitation) => isOwnInvitation(invitation, machine, sync, conditionRooms(reconciler.desired())),
  });
  const homeserver = new MatrixClient({ homeserverUrl: machine.homeserverUrl, token: accessToken, clock });
  const revocation = watchRevocation({
    clock,
    logger,
    markFile: revocationMarkFile(paths),
    accessToken,
    launcher,
    sync,
    homeserver,
    machine,
  });
  const onChange = (): void => {
    revocation.look();
    reconciler.poke();
  };
  const publisher = new StatusPublisher({
    clock,
    logger,
    publish: (principal, content) => sync.publish(machine.configRoom, PRINCIPAL_STATUS.type, content, principal),
    published: () => ownStatuses(sync.state(machine.configRoom, PRINCIPAL_STATUS.type), machine.userId),
  });
  const reporter = new StatusReporter<MachineStatusContent>({
    clock,
    logger,
    publish: (content) => sync.publish(machine.configRoom, EVENT_TYPES.machineStatus, content),
  });
  const reconciler: Reconciler = new Reconciler({
    clock,
    logger,
    launcher,
    runs,
    memory,
    nextTurn: setImmediate,
    facts: () => (revocation.reason === undefined ? readFacts(sync, machine, logger) : NOTHING),
    // Of a revoked machine nothing is wanted, whatever the rooms would say: there is nobody left to ask.
    confirm: async () => (revocation.reason === undefined ? await sync.confirm() : undefined),
    machine: machineRules(sync, machine.configRoom, logger),
    onStatuses: (principals) => {
      // Before anything is said to wait for it.
      sync.follow(conditionsOf(reconciler.desired()).map(({ type }) => type));
      statuses.update(principals);
      publisher.report(principals);
      reporter.report({ v: 2, build, startedAt, counts: countStates(principals) });
    },
    probe: (subject, probe) => relays.probe(subject, probe),
    notify: async ({ content, key }) => sync.post({ room: machine.configRoom, type: 'm.room.message', content, key }),
  });
  const commands: RoomCommands = takeCommands({
    clock,
    logger,
    machine,
    ledgerFile: `${paths.daemonStateDirectory}/commands.sqlite`,
    handlers: machineHandlers({ build, launcher, reconciler }),
    homeserver,
    sync,
  });
  const relays = new RelayRoutes({ build, clock, payloadUid: (number) => uids.payload(number), observed: () => launcher.observed });
  const handlers = daemonHandlers({
    build,
    machine: machine.userId,
    configRoom: machine.configRoom,
    homeserver: machine.homeserverUrl,
    clock,
    sync,
    launcher,
    reconciler,
    relays,
    runs,
    statuses,
    startedAt,
  });
  const server = await serve({ fd: listener, contract: daemonContract, handlers, role: 'daemon', build, allowUids: [0], clock, logger });
  launcher.start();
  sync.start();
  commands.start();
  const reports = startMachineReports({
    build,
    cgroupName: paths.cgroupName,
    configRoom: machine.configRoom,
    clock,
    logger,
    sandboxes: () => (launcher.observed ?? []).map(({ state, ...each }) => ({ ...each, running: state === 'running' })),
    setPresence: (presence, text) =>
      homeserver.setPresence(machine.userId, presence, text, { deadlineMilliseconds: PRESENCE_MILLISECONDS }),
    publish: (room, type, content) => sync.publish(room, type, content),
  });
  logger.info({ machine: machine.userId }, 'serving');

  return async () => {
    commands.stop();
    revocation.close();
    const left = reports.stop();
    reconciler.close();
    publisher.close();
    sync.stop();
    launcher.close();
    await Promise.all([server.close(), left]);
    memory.close();
  };
}

/** What is wanted of a revoked machine. */
const NOTHING: Facts = { assignments: [], credentials: [], templates: [], look: () => ({ seen: 'nothing' }) };

/** The pinned rooms as they are; `undefined` until the config room is known, or when it is not the one that was pinned. */
function readFacts(sync: MachineSync, machine: MachineSettings, logger: Logger): Facts | undefined {
  const [creation] = sync.state(machine.configRoom, 'm.room.create');
  if (creation === undefined) return undefined;
  if (creation.sender !== machine.configRoomCreator) {
    logger.error(
      { expected: machine.configRoomCreator, found: creation.sender },
      'the config room has another creator than the pinned one; its state is not believed',
    );
    return undefined;
  }
  return {
    assignments: sync.state(machine.configRoom, EVENT_TYPES.assignment),
    credentials: sync.state(machine.configRoom, EVENT_TYPES.credentials),
    templates: readTemplates(sync, machine),
    look: (room, type, stateKey) => lookInto(sync, room, type, stateKey),
  };
}

/** The templates of the pinned room; none is believed while others than operators may write there. */
function readTemplates(sync: MachineSync, { templateRoom }: MachineSettings): Facts['templates'] {
  const [levels] = sync.state(templateRoom, 'm.room.power_levels');
  const distrust = templateDistrust(levels?.content);
  const templates = sync.state(templateRoom, EVENT_TYPES.template);
  return distrust === undefined ? templates : templates.map((fact) => ({ ...fact, distrust }));
}

/** For start conditions: any room that the machine is in. */
function lookInto(sync: MachineSync, room: RoomId, type: string, stateKey: string): RoomLook {
  if (!sync.isMember(room)) return { seen: 'not a member' };
  const found = sync.state(room, type).find((each) => each.stateKey === stateKey);
  return found === undefined ? { seen: 'nothing' } : { seen: 'event', ...found };
}

function conditionsOf(desired: readonly Desired[]): StartCondition[] {
  return desired.flatMap(({ assignment }) => assignment?.startWhen ?? []);
}

function conditionRooms(desired: readonly Desired[]): RoomId[] {
  return conditionsOf(desired).map(({ room }) => room);
}
