// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net';
import type { Clock } from '@bureau/core';
import { Problem } from '../problem.ts';
import { formatIpAddress } from './ip-address.ts';
import type { EgressGrant } from './egress-policy.ts';
import type { Target } from './forward-rules.ts';
import type { ProxyLimits } from '../limits.ts';

interface DialOptions {
  readonly grants: readonly EgressGrant[];
  readonly port: number;
  /** For problems. */
  readonly where: string;
  /** For each address. */
  readonly connectMilliseconds: number;
  readonly addressesTried: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A connection to the first address that takes it, and the rule that allowed that address. */
export interface Dialled {
  readonly socket: Socket;
  readonly grant: EgressGrant;
}

/**
 * Connects to the checked addresses of a target, by number, one after the other: no name is looked up again. Throws the `Problem`s 502
 * `egress_unreachable` and 504 `egress_timeout`; the last address says which.
 */
export async function dialTarget(
  target: Target,
  grants: readonly EgressGrant[],
  { limits, clock }: { readonly limits: () => ProxyLimits; readonly clock: Clock },
  signal: AbortSignal,
): Promise<Dialled> {
  const { upstreamConnectMilliseconds: connectMilliseconds, addressesTried } = limits();
  const options = { grants, port: target.port, where: target.text, connectMilliseconds, addressesTried, clock, signal };
  let last: unknown;
  for (const grant of options.grants.slice(0, options.addressesTried)) {
    try {
      return { socket: await connectTo(grant, options), grant };
    } catch (error) {
      options.signal.throwIfAborted();
      last = error;
    }
  }
  throw last;
}

function connectTo(grant: EgressGrant, options: DialOptions): Promise<Socket> {
  const { clock, signal, connectMilliseconds, where } = options;
  const host = formatIpAddress(grant.address);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: options.port, allowHalfOpen: true, noDelay: true, keepAlive: true });
    const end = (error: unknown): void => {
      finish();
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const onAbort = (): void => end(signal.reason);
    const onError = (error: NodeJS.ErrnoException): void =>
      end(
        new Problem(502, 'egress_unreachable', `Cannot reach ${where} (${error.code ?? 'no reason given'}); try again later.`, {
          cause: error,
        }),
      );
    const timer = clock.setTimer(connectMilliseconds, () =>
      end(
        new Problem(
          504,
          'egress_timeout',
          `Expected a connection to ${where} within ${connectMilliseconds} ms (limit upstreamConnectMilliseconds); try again later.`,
        ),
      ),
    );
    const finish = (): void => {
      timer.clear();
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
    };
    socket.once('error', onError);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) return onAbort();
    socket.once('connect', () => {
      finish();
      resolve(socket);
    });
  });
}
