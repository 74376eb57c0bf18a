// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { createServer } from 'node:net';
import { BureauError, hasCode } from '@bureau/core';

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
    server.close();
  }
}

/** A loopback port that is free now. Another process may take it before it is used. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('expected an address with a port');
  return address.port;
}
