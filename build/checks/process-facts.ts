// SPDX-License-Identifier: Apache-2.0
import { parseInstanceName } from '../../packages/core/src/index.ts';
import { instancePaths, uidsOf } from '../../packages/instance/src/index.ts';
import type { InstancePaths } from '../../packages/instance/src/index.ts';
import type { ServiceDefinition } from '../../packages/supervise/src/index.ts';
import {
  daemonService,
  homeserverService,
  launcherService,
  proxyService,
  type StandFacts,
} from '../../packages/supervise/src/service-table.ts';

/** What the code says of one process, in the words of the documents: `base` and *n* instead of numbers, `R` for the run directory. */
export interface ProcessFacts {
  readonly name: string;
  /** `0`, `base+1`, `base+17+2n`. */
  readonly uid: string;
  readonly network: string;
  /** Capabilities that it can have; undefined when its uid alone decides. */
  readonly capabilities: readonly string[] | undefined;
  readonly sockets: readonly string[];
  /** Who starts it again when it ended by itself. */
  readonly restartedBy: string;
}

/** Far from all other numbers that are in a definition. */
const BASE = 7_000_000;

/** Every process of a stand: the service manager's table, the service manager itself, and the relays. */
export function processFacts(): ProcessFacts[] {
  const paths = instancePaths(parseInstanceName(''));
  const uids = uidsOf(BASE);
  const facts: StandFacts = {
    paths,
    instance: '',
    buildDirectory: '/usr/lib/bureau/build',
    build: 'build',
    uids,
    homeserverPort: 1,
    hasHomeserver: true,
    homeserverCommand: { command: '/bin/homeserver', args: [], env: {} },
  };
  return [
    {
      name: 'stand',
      uid: '0',
      network: 'host',
      capabilities: undefined,
      sockets: [socketName(paths, 0, paths.standSocket)],
      restartedBy: '`script/up`',
    },
    ...[homeserverService(facts), launcherService(facts), daemonService(facts)].map((service) =>
      serviceFacts(service.name, paths, service, service),
    ),
    serviceFacts('proxy n', paths, proxyService(facts, 0), proxyService(facts, 1)),
    {
      name: 'relay n',
      uid: uidName(uids.payload(0), uids.payload(1)),
      network: "the launcher's",
      capabilities: undefined,
      sockets: [socketName(paths, 0, paths.principal(0).relaySocket)],
      restartedBy: 'nobody',
    },
  ];
}

/** `first` and `second` are the definitions of numbers 0 and 1: what differs is the part with *n*. */
function serviceFacts(name: string, paths: InstancePaths, first: ServiceDefinition, second: ServiceDefinition): ProcessFacts {
  const bounding = first.args.find((argument) => argument.startsWith('--bounding-set='));
  const kept = [...(bounding ?? '').matchAll(/\+([a-z_]+)/g)].map((match) => (match[1] ?? '').toUpperCase());
  return {
    name,
    uid: uidName(first.uid, second.uid),
    network: first.command.endsWith('/unshare') && first.args.includes('--net') ? 'empty, its own' : 'host',
    capabilities: bounding === undefined ? undefined : kept,
    sockets: first.listeners.map(({ path }) => socketName(paths, 0, path)),
    restartedBy: first.restarts ? 'stand' : 'stand, when the launcher asks',
  };
}

function uidName(first: number, second: number): string {
  if (first < BASE) return String(first);
  return `base+${first - BASE}${second === first ? '' : `+${second - first}n`}`;
}

function socketName(paths: InstancePaths, number: number, path: string): string {
  return path.replace(`${paths.runDir}/`, 'R/').replace(`/.p/${number}/`, '/.p/<n>/');
}
