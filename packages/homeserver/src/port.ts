// SPDX-License-Identifier: Apache-2.0
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { BureauError, hasCode } from '@bureau/core';
import { EPHEMERAL_FIRST, PORT_FIRST, PORT_TRIES } from './limits.ts';

/** Throws `port_taken` when somebody listens on this loopback port. Ask before the homeserver is started: a stranger's answer is no readiness. */
export async function requireFreePort(port: number): Promise<void> {
  const server = createServer();
  try {
    server.listen({ host: '127.0.0.1', port, exclusive: true });
    await once(server, 'listening');
  } catch (error) {
    if (!hasCode(error, 'EADDRINUSE')) throw error;
    throw new BureauError(
      'port_taken',
      `Expected port ${port} on 127.0.0.1 to be free for the homeserver, and something listens there; find it with "ss -tlnp 'sport = :${port}'" and stop it, or choose another port`,
      { data: { port } },
    );
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

/**
 * A loopback port that is free now, below those that the kernel hands out by itself: while a homeserver is away, no connection or
 * listener of anybody gets its port by chance. Another process that asks for this very one may take it before it is used.
 * Throws `port_taken` when none of some is free.
 */
export async function findFreePort(): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const port = randomInt(PORT_FIRST, EPHEMERAL_FIRST);
    try {
      await requireFreePort(port);
      return port;
    } catch (error) {
      if (tries === PORT_TRIES || !hasCode(error, 'port_taken')) throw error;
    }
  }
}
