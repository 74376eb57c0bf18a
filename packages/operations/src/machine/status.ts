// SPDX-License-Identifier: Apache-2.0
import { formatDuration } from '@bureau/core';
import { daemonContract, principalStatus, serviceStatus, type ResourceFinding } from '@bureau/protocol';
import * as v from 'valibot';
import { statusTable } from '../agents/describe.ts';
import { allStatuses } from '../agents/statuses.ts';
import { connectDaemon, connectStand } from '../daemon-client.ts';
import { defineOperation, type AnyOperation } from '../registry/operation.ts';
import { describeSync } from './describe-sync.ts';

/** What the daemon says of itself and of every principal. */
const daemonReport = v.strictObject({
  ...daemonContract.methods.status.output.entries,
  status: v.strictObject({ principals: v.array(principalStatus) }),
});

/** `bureau machine status`: the machine as its daemon and its service manager see it. */
export const machineStatus: AnyOperation = defineOperation({
  name: 'machine status',
  summary: 'Show this machine: its processes, its sync, its agents',
  grant: 'machine/status',
  input: v.strictObject({}),
  output: v.strictObject({ now: v.number(), services: v.array(serviceStatus), daemon: v.nullable(daemonReport) }),
  fields: {},
  positionals: [],
  examples: [{ command: 'bureau machine status', shows: 'what runs, since when, and how often it was started again' }],
  async handler(_input, context) {
    using stand = await connectStand(context);
    const { services } = await stand.call('status', {});
    const daemon = await connectDaemon(context).then(
      async (client) => {
        using connected = client;
        return { ...(await connected.call('status', {})), status: { principals: await allStatuses(connected) } };
      },
      () => null,
    );
    return { now: context.clock.now(), services, daemon };
  },
  render({ now, services, daemon }) {
    const width = Math.max(...services.map(({ name }) => name.length));
    const lines = services.map((service) => {
      const parts = [`${service.name.padEnd(width)}  ${service.state}`, `for ${formatDuration(now - service.since)}`, `uid ${service.uid}`];
      if (service.pid !== null) parts.push(`pid ${service.pid}`);
      if (service.restarts > 0) parts.push(`started again ${service.restarts}× (last: ${service.lastExit ?? 'unknown'})`);
      else if (service.state !== 'running' && service.lastExit !== undefined) parts.push(service.lastExit);
      return parts.join('  ');
    });
    if (daemon === null) return [...lines, '', 'the daemon does not answer right now'].join('\n');
    return [
      `${daemon.machine}  build ${daemon.build}`,
      `${describeSync(daemon, now)}  launcher ${daemon.launcher}`,
      '',
      ...lines,
      '',
      statusTable(daemon.status.principals),
      ...unheld(daemon.resources),
      ...refusedEvents(daemon.refused),
    ].join('\n');
  },
});

/** Somebody wrote what no Bureau can read, or the homeserver is at fault. */
function refusedEvents({ count, newest }: v.InferOutput<typeof daemonContract.methods.status.output>['refused']): string[] {
  const last = newest.at(-1);
  if (last === undefined) return [];
  return [
    '',
    `${count} ${count === 1 ? 'event' : 'events'} of the rooms cannot be read; the newest: ${last.eventId} in ${last.room}, ${last.reason}`,
  ];
}

/** What this host does not hold sandboxes to: said each time, so that nobody relies on it. */
function unheld(resources: readonly ResourceFinding[]): string[] {
  const open = resources.filter(({ enforced }) => !enforced);
  return open.length === 0 ? [] : ['', ...open.map(({ resource, how }) => `not limited: ${resource} (${how})`)];
}
