// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { parsePrincipalName, type Clock } from '@bureau/core';
import { connect } from '@bureau/ipc';
import type { Logger } from '@bureau/log';
import { DEFAULT_AUTHORIZATION, proxyContract } from '@bureau/protocol';
import { AccessLines } from './audit/access-line.ts';
import { startProxy } from './proxy.ts';

const NOBODY = 'nobody/nothing';
const BUILD = 'rehearsal';
/** MessagePack for a map without entries. */
const NO_SECRETS = 0x80;

/**
 * Does once all that a first configuration and a first request do, over sockets that nobody else knows, for a principal that does not exist and
 * without a key: V8 compiles a function at its first call, and a proxy that waits in a pool has the time. Leaves nothing behind. Rejects
 * when this machine cannot serve at all.
 */
export async function rehearse(clock: Clock, logger: Logger): Promise<void> {
  const uid = process.getuid?.() ?? 0;
  // Names without a file, that nobody can have taken before us; who connects is asked for its uid as ever.
  const [agent, admin] = ['agent', 'admin'].map((name) => ({ path: `\0bureau-${BUILD}-${name}-${randomUUID()}` })) as [Place, Place];
  await using _proxy = await startProxy({ agent, admin, payloadUid: uid, adminUids: [uid], build: BUILD, clock, logger });
  {
    using launcher = await connect({ ...admin, contract: proxyContract, role: 'launcher', build: BUILD, expectUid: uid, clock });
    const principal = parsePrincipalName(NOBODY);
    await launcher.call('configure', { principal, header: Buffer.from(JSON.stringify(HEADER)), secrets: Buffer.from([NO_SECRETS]) });
    await launcher.call('authorize', { principal, authorization: DEFAULT_AUTHORIZATION });
  }
  const socket = connectSocket(agent);
  socket.end('GET /v1/identity HTTP/1.1\r\nHost: bureau\r\nConnection: close\r\n\r\n').resume();
  await once(socket, 'close');
  const record = { service: 'proxy', method: 'GET', path: '/v1/identity', status: 200, milliseconds: 0, bytes: 2, traceId: '0' };
  new AccessLines().line(clock.now(), NOBODY, record);
}

interface Place {
  readonly path: string;
}

const HEADER = {
  v: 1,
  principal: NOBODY,
  machine: 'machine/none',
  user_id: '@nobody:localhost',
  issued_at: 1,
  expires_at: Number.MAX_SAFE_INTEGER,
  upstreams: { api: { url: 'http://127.0.0.1:1', inject: [], methods: ['GET'], paths: ['/*'] } },
};
