// SPDX-License-Identifier: Apache-2.0
import { UsageError, type InstanceName, type PrincipalName } from '@bureau/core';
import { SOCKET_PATH_MAX_BYTES } from './limits.ts';

/** The one record of all instances' uid ranges on this machine. */
export const UIDS_FILE = '/etc/bureau/uids';

/** Where the parts of one principal are; `number` is the principal's for life. */
export interface PrincipalPaths {
  /** `.p/<n>`. */
  readonly directory: string;
  /** What the sandbox sees at /run/bureau; root:payload 0750. */
  readonly agentDirectory: string;
  /** root 0700. */
  readonly adminDirectory: string;
  /** root:daemon 0750. */
  readonly relayDirectory: string;
  /** The payload's own, 0700: the relay leaves the exit report here. */
  readonly exitDirectory: string;
  readonly exitFile: string;
  /** Root's alone: the whole `/etc` that the principal's sandboxes see. Outlives them: it says the same each time. */
  readonly rootDirectory: string;
  readonly proxySocket: string;
  readonly adminSocket: string;
  readonly relaySocket: string;
}

/** Where everything of one instance is. Nothing here touches the disk. */
export interface InstancePaths {
  readonly name: InstanceName;
  readonly runDir: string;
  readonly stateDir: string;
  readonly configDir: string;
  readonly logDir: string;
  /** Sockets of our own processes: `.sys` in the run directory. */
  readonly systemDir: string;
  readonly standSocket: string;
  readonly launcherSocket: string;
  readonly daemonSocket: string;
  /** Holds the principals' directories: `.p` in the run directory. */
  readonly principalsDir: string;
  principal(number: number): PrincipalPaths;
  /**
   * The symlink under the principal's name to its proxy's socket. Throws `path_too_long` where the kernel would not take the path
   * (an instance's name of 10 to 12 characters with a principal's name near the limit).
   */
  socketLink(principal: PrincipalName): string;
  readonly workspaceRoot: string;
  workspaceOf(principal: PrincipalName): string;
  readonly outputLogDir: string;
  /** Output of principal `number`'s payloads, raw. */
  outputLog(number: number): string;
  /** The access log of principal `number`: a directory of its proxy's own. */
  accessLogDirectory(number: number): string;
  /** The log of one of our processes, by its name. */
  processLog(name: string): string;
  readonly settingsFile: string;
  readonly machineFile: string;
  readonly policyFile: string;
  readonly uidsFile: string;
  readonly credentialFile: string;
  readonly operatorKeyFile: string;
  readonly operatorsDirectory: string;
  readonly escrowKeyFile: string;
  readonly launcherStateDirectory: string;
  /** The principals' numbers; the launcher's. */
  readonly numbersFile: string;
  readonly daemonStateDirectory: string;
  readonly homeserverStateDirectory: string;
  /** Of the tree in the unified hierarchy. */
  readonly cgroupName: string;
  /** Symlink to the build that runs: /usr/lib/bureau/<hash>. */
  readonly buildLink: string;
}

/** Every path of an instance, from its name alone (the empty name is the default instance). */
export function instancePaths(name: InstanceName): InstancePaths {
  const suffix = name === '' ? '' : `-${name}`;
  const runDir = `/run/bureau${suffix}`;
  const stateDir = `/var/lib/bureau${suffix}`;
  const configDir = `/etc/bureau${suffix}`;
  const logDir = `/var/log/bureau${suffix}`;
  const systemDir = `${runDir}/.sys`;
  return {
    name,
    runDir,
    stateDir,
    configDir,
    logDir,
    systemDir,
    standSocket: `${systemDir}/stand.sock`,
    launcherSocket: `${systemDir}/launcher.sock`,
    daemonSocket: `${systemDir}/daemon.sock`,
    principalsDir: `${runDir}/.p`,
    principal: (number) => principalPaths(`${runDir}/.p/${number}`, `${runDir}/.root/${number}`),
    socketLink: (principal) => fitting(`${runDir}/${principal}.sock`, name, principal),
    workspaceRoot: `${stateDir}/workspace`,
    workspaceOf: (principal) => `${stateDir}/workspace/${principal}`,
    outputLogDir: `${logDir}/output`,
    outputLog: (number) => `${logDir}/output/${number}.log`,
    accessLogDirectory: (number) => `${logDir}/proxy-${number}`,
    processLog: (process) => `${logDir}/${process}.log`,
    settingsFile: `${configDir}/instance.json`,
    machineFile: `${configDir}/machine.json`,
    policyFile: `${configDir}/launcher.json`,
    uidsFile: UIDS_FILE,
    credentialFile: `${configDir}/credentials`,
    operatorKeyFile: `${configDir}/operator.key`,
    operatorsDirectory: `${configDir}/operators.d`,
    escrowKeyFile: `${configDir}/escrow.key`,
    launcherStateDirectory: `${stateDir}/launcher`,
    numbersFile: `${stateDir}/launcher/principals.json`,
    daemonStateDirectory: `${stateDir}/daemon`,
    homeserverStateDirectory: `${stateDir}/homeserver`,
    cgroupName: `bureau${suffix}`,
    buildLink: `${configDir}/current`,
  };
}

function principalPaths(directory: string, rootDirectory: string): PrincipalPaths {
  return {
    directory,
    rootDirectory,
    agentDirectory: `${directory}/agent`,
    adminDirectory: `${directory}/admin`,
    relayDirectory: `${directory}/relay`,
    exitDirectory: `${directory}/exit`,
    exitFile: `${directory}/exit/exit.json`,
    proxySocket: `${directory}/agent/proxy.sock`,
    adminSocket: `${directory}/admin/admin.sock`,
    relaySocket: `${directory}/relay/relay.sock`,
  };
}

/** Names are ASCII, so characters are bytes. */
function fitting(path: string, instance: InstanceName, principal: PrincipalName): string {
  if (path.length <= SOCKET_PATH_MAX_BYTES) return path;
  const most = SOCKET_PATH_MAX_BYTES - (path.length - principal.length);
  throw new UsageError(
    'path_too_long',
    `Cannot use ${principal} on instance ${instance}: its socket's path has ${path.length} bytes, the kernel takes ${SOCKET_PATH_MAX_BYTES}; choose a name of at most ${most} bytes, or an instance with a shorter name`,
    { data: { path, principal } },
  );
}
