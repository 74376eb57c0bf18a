// SPDX-License-Identifier: Apache-2.0
import { BureauError, hasCode } from '@bureau/core';
import { readSettings, uidsOf } from '@bureau/instance';
import { connect, type IpcClient } from '@bureau/ipc';
import { daemonContract, standContract } from '@bureau/protocol';
import type { OperationContext } from './registry/context.ts';

export type DaemonClient = IpcClient<typeof daemonContract>;
export type StandClient = IpcClient<typeof standContract>;

/** A connection to this stand's daemon. Throws `stand_down` when nobody answers, saying what to do; the caller closes it. */
export async function connectDaemon(context: OperationContext): Promise<DaemonClient> {
  const { paths, build, clock, signal } = context;
  requireRoot(context);
  try {
    const expectUid = uidsOf(readSettings(paths).uidBase).daemon;
    return await connect({ path: paths.daemonSocket, contract: daemonContract, role: 'cli', build, expectUid, clock, signal });
  } catch (error) {
    if (hasCode(error, 'file_missing')) throw noStand(context, error);
    if (isStarting(error))
      throw new BureauError('daemon_starting', 'The daemon is just being started; try again in a moment', { cause: error });
    throw hasCode(error, 'connection_refused') || hasCode(error, 'connection_lost') ? standDown('daemon', context, error) : error;
  }
}

/** Root's service manager listens for the daemon until the daemon itself does: nobody serves that connection yet. */
function isStarting(error: unknown): boolean {
  return error instanceof BureauError && error.code === 'peer_refused' && error.data['found'] === 0;
}

/** A connection to this stand's service manager. Throws `stand_down`; the caller closes it. */
export async function connectStand(context: OperationContext): Promise<StandClient> {
  const { paths, build, clock } = context;
  requireRoot(context);
  try {
    return await connect({ path: paths.standSocket, contract: standContract, role: 'cli', build, expectUid: 0, clock });
  } catch (error) {
    throw hasCode(error, 'connection_refused') || hasCode(error, 'connection_lost') ? standDown('service manager', context, error) : error;
  }
}

/** Throws `needs_root` unless the caller is root: the sockets are root's for now. */
export function requireRoot({ uid }: OperationContext): void {
  if (uid !== 0) throw new BureauError('needs_root', 'This needs root for now: run it with sudo');
}

function noStand({ paths }: OperationContext, cause: unknown): BureauError {
  const known = paths.name === '' ? 'a stand on this machine' : `a stand "${paths.name}" on this machine`;
  return new BureauError('stand_missing', `Expected ${known} and found none; make it with "script/up${instanceFlag(paths.name)}"`, {
    cause,
  });
}

function instanceFlag(name: string): string {
  return name === '' ? '' : ` --instance ${name}`;
}

function standDown(who: string, { paths }: OperationContext, cause: unknown): BureauError {
  const instance = instanceFlag(paths.name);
  return new BureauError(
    'stand_down',
    `The ${who} does not answer; start the stand with "script/up${instance}", or look into ${paths.logDir}`,
    { cause },
  );
}
