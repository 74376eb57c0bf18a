// SPDX-License-Identifier: Apache-2.0
import { BureauError, hasCode, type PrincipalName } from '@bureau/core';
import { PrincipalNumbers, readSettings, uidsOf } from '@bureau/instance';
import { connect, type IpcClient } from '@bureau/ipc';
import { proxyContract } from '@bureau/protocol';
import type { OperationContext } from '../registry/context.ts';

export type ProxyAdmin = IpcClient<typeof proxyContract>;

/** A principal's number. Throws `not_found` when it has never run here. */
export function numberOf(principal: PrincipalName, { paths }: OperationContext): number {
  const number = new PrincipalNumbers(paths.numbersFile).find(principal);
  if (number !== undefined) return number;
  throw new BureauError('not_found', `"${principal}" has never run on this machine; see "bureau agent list"`, { data: { principal } });
}

/** The admin socket of a running proxy. Throws `not_running`; the caller closes it. */
export async function connectProxy(principal: PrincipalName, number: number, context: OperationContext): Promise<ProxyAdmin> {
  const { paths, build, clock, signal } = context;
  const expectUid = uidsOf(readSettings(paths).uidBase).proxy(number);
  try {
    const path = paths.principal(number).adminSocket;
    return await connect({ path, contract: proxyContract, role: 'cli', build, expectUid, clock, signal });
  } catch (error) {
    if (!hasCode(error, 'connection_refused') && !hasCode(error, 'connection_lost')) throw error;
    throw new BureauError('not_running', `The proxy of "${principal}" does not run; it runs as long as its agent does`, {
      data: { principal },
      cause: error,
    });
  }
}
