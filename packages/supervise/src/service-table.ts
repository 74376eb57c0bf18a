// SPDX-License-Identifier: Apache-2.0
import { openLogFile } from '@bureau/files';
import type { InstancePaths, InstanceUids } from '@bureau/instance';
import { dropPrivileges, type PoolProgram } from '@bureau/process';
import type { ServiceDefinition } from './service-definition.ts';

/** What the table is made from; all of it comes from root-owned files. */
export interface StandFacts {
  readonly paths: InstancePaths;
  readonly instance: string;
  /** `/usr/lib/bureau/<hash>`. */
  readonly buildDirectory: string;
  readonly build: string;
  readonly uids: InstanceUids;
  readonly homeserverPort: number;
  /** False where the stand works on another host's homeserver: it is started only on request then. */
  readonly hasHomeserver: boolean;
  /** The command that starts the homeserver in the foreground, before dropping to its uid. */
  readonly homeserverCommand: {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  };
}

/** The capabilities that the launcher keeps: owners, modes and signals of what it makes, and the drop to a principal's uid. */
const LAUNCHER_CAPABILITIES: readonly string[] = ['chown', 'dac_override', 'fowner', 'kill', 'setgid', 'setuid', 'setpcap'];

/** Environment of our own processes: nothing of the caller's. */
function environment(facts: StandFacts): Record<string, string> {
  return { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', NODE_COMPILE_CACHE: `${facts.buildDirectory}/compile-cache` };
}

function node(facts: StandFacts, app: string, flags: readonly string[]): { command: string; args: string[] } {
  return { command: `${facts.buildDirectory}/bin/node`, args: [`${facts.buildDirectory}/lib/${app}.js`, ...flags] };
}

function instanceFlags(facts: StandFacts): string[] {
  return facts.instance === '' ? [] : ['--instance', facts.instance];
}

/** The homeserver: own uid, loopback only. */
export function homeserverService(facts: StandFacts): ServiceDefinition {
  const { command, args, env } = facts.homeserverCommand;
  return {
    name: 'homeserver',
    uid: facts.uids.homeserver,
    ...dropPrivileges(facts.uids.homeserver, command, [...args]),
    env: { ...environment(facts), ...env },
    listeners: [],
    ready: { by: 'port', port: facts.homeserverPort },
    mark: command,
    outlivesHandOver: true,
    restarts: true,
  };
}

/** The launcher: root, but in an empty network namespace that is there before Node starts, and with few capabilities. */
export function launcherService(facts: StandFacts): ServiceDefinition {
  const launcher = node(facts, 'launcher', instanceFlags(facts));
  const bounding = ['-all', ...LAUNCHER_CAPABILITIES.map((name) => `+${name}`)].join(',');
  return {
    name: 'launcher',
    uid: 0,
    command: '/usr/bin/unshare',
    args: [
      '--net',
      '--',
      '/usr/bin/setpriv',
      '--no-new-privs',
      '--inh-caps=-all',
      `--bounding-set=${bounding}`,
      '--',
      launcher.command,
      ...launcher.args,
    ],
    env: environment(facts),
    listeners: [{ path: facts.paths.launcherSocket }],
    ready: { by: 'pipe' },
    mark: `${facts.buildDirectory}/`,
    outlivesHandOver: false,
    restarts: true,
  };
}

/** The daemon: own uid, host network. */
export function daemonService(facts: StandFacts): ServiceDefinition {
  const daemon = node(facts, 'daemon', instanceFlags(facts));
  return {
    name: 'daemon',
    uid: facts.uids.daemon,
    ...dropPrivileges(facts.uids.daemon, daemon.command, daemon.args),
    env: environment(facts),
    listeners: [{ path: facts.paths.daemonSocket }],
    ready: { by: 'pipe' },
    mark: `${facts.buildDirectory}/`,
    outlivesHandOver: false,
    restarts: true,
  };
}

/** What waits to be a proxy: the same for all of them. */
export function proxyProgram(facts: StandFacts): PoolProgram {
  const { command, args } = node(facts, 'proxy', ['--access-logs', facts.paths.logDir]);
  return {
    command,
    // Small young generation: a proxy of an idle agent gives its memory back instead of waiting for a rare full collection. 4 MB and not 1:
    // a tenth of the processor time of each call under load, and no more memory (script/bench proxy). So small a generation is
    // collected sooner by one thread than by waking others, at less processor time on machines that are busy. One thread for V8's work
    // beside the main one, not four: 0.4 MB less of each proxy. No debugger by
    // a signal: it would listen on the host's loopback, in the process that holds the keys.
    args: ['--max-semi-space-size=4', '--no-parallel-scavenge', '--v8-pool-size=1', '--disable-sigusr1', ...args],
    hurriedArgs: ['--at-once'],
    // One heap of the C library for all threads, and what is free at its end goes back to the system: 1.3 MB less of each proxy.
    environment: { ...environment(facts), MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '524288' },
    openLog: () => openLogFile(`${facts.paths.logDir}/proxy-pool.log`),
  };
}

/** Proxy *n*: its own uid, host network, two listeners. It learns whom it serves on its admin socket. */
export function proxyService(facts: StandFacts, number: number): ServiceDefinition {
  const uid = facts.uids.proxy(number);
  const places = facts.paths.principal(number);
  const { command, args, environment: env } = proxyProgram(facts);
  return {
    name: `proxy-${number}`,
    uid,
    command,
    args,
    env,
    listeners: [{ path: places.proxySocket }, { path: places.adminSocket }],
    ready: { by: 'order', numbers: [uid, number, facts.uids.payload(number)] },
    mark: `${facts.buildDirectory}/`,
    outlivesHandOver: true,
    restarts: false,
  };
}
