// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import type { Clock } from '@bureau/core';
import { parseHost, type Host } from './host-name.ts';
import { readFirstBytes } from './client-hello.ts';

/** Why the first bytes in a tunnel were refused, as it is logged; `undefined` code means that they may pass. */
export type FirstFlight =
  | { readonly code: undefined; readonly bytes: Buffer }
  | { readonly code: 'tunnel_not_tls' | 'server_name_mismatch' | 'client_hello_timeout' | 'client_gone'; readonly bytes: Buffer };

export interface FirstFlightOptions {
  readonly agent: Socket;
  readonly head: Buffer;
  /** The host that CONNECT named. */
  readonly host: Host;
  readonly anyServerName: boolean;
  readonly bytesMost: number;
  readonly milliseconds: number;
  readonly clock: Clock;
}

/** A fatal TLS alert `unrecognized_name` (RFC 8446, 6.2): the one way to say 421 to a client that speaks TLS. */
export const UNRECOGNIZED_NAME_ALERT: Uint8Array = Uint8Array.of(21, 3, 3, 0, 2, 2, 112);

/**
 * Reads what the agent says first in its tunnel, until that is a whole ClientHello for the host it asked for. Nothing has gone to the
 * upstream yet. Leaves the socket paused.
 */
export function readFirstFlight(options: FirstFlightOptions): Promise<FirstFlight> {
  const { agent, clock } = options;
  return new Promise((resolve) => {
    let bytes = options.head;
    const finish = (code: FirstFlight['code']): void => {
      timer.clear();
      agent.off('data', onData).off('end', onGone).off('close', onGone).off('error', onGone);
      agent.pause();
      resolve({ code, bytes } as FirstFlight);
    };
    const onGone = (): void => finish('client_gone');
    const onData = (piece: Buffer): void => {
      bytes = Buffer.concat([bytes, piece]);
      judge();
    };
    const judge = (): void => {
      const found = readFirstBytes(bytes);
      if (found.kind === 'other' || (found.kind === 'incomplete' && bytes.length > options.bytesMost)) return finish('tunnel_not_tls');
      if (found.kind === 'incomplete') return;
      finish(options.anyServerName || namesHost(found.serverName, options.host) ? undefined : 'server_name_mismatch');
    };
    const timer = clock.setTimer(options.milliseconds, () => finish('client_hello_timeout'));
    agent.on('data', onData).once('end', onGone).once('close', onGone).once('error', onGone);
    agent.resume();
    if (bytes.length > 0) judge();
  });
}

/** TLS to an address carries no name (RFC 6066 forbids it); to a name it must carry that one. */
function namesHost(serverName: string | undefined, host: Host): boolean {
  if (serverName === undefined) return host.address !== undefined;
  return parseHost(serverName)?.text === host.text;
}
