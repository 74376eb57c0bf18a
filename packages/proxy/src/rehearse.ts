// SPDX-License-Identifier: Apache-2.0
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Clock } from '@bureau/core';
import { encodeFrame } from '@bureau/ipc';
import { AccessLines } from './audit/access-line.ts';
import { checkRequest } from './request-checks.ts';
import { PROXY_LIMITS } from './limits.ts';
import { RequestLimiter } from './request-limiter.ts';
import { Router } from './router.ts';
import { ROUTES } from './routes/index.ts';
import { CredentialStore } from './store.ts';
import { TraceDigits, traceOf } from './trace.ts';

const NOBODY = 'nobody/nothing';
/** MessagePack for a map without entries. */
const NO_SECRETS = 0x80;

/**
 * Does once what a first configuration and a first request do, with a principal that does not exist, no key and no socket that is
 * connected: V8 compiles a function at its first call, and a proxy that waits in a pool has the time. Leaves nothing behind.
 */
export function rehearse(clock: Clock): void {
  using store = new CredentialStore(PROXY_LIMITS, clock);
  const header = {
    v: 1,
    principal: NOBODY,
    machine: 'machine/none',
    user_id: '@nobody:localhost',
    issued_at: 1,
    expires_at: Number.MAX_SAFE_INTEGER,
    upstreams: { api: { url: 'http://127.0.0.1:1', inject: [], methods: ['GET'], paths: ['/*'] } },
  };
  store.configure(NOBODY, Buffer.from(JSON.stringify(header)), Buffer.from([NO_SECRETS]));
  encodeFrame({ principal: NOBODY });
  const socket = new Socket();
  const request = new IncomingMessage(socket);
  request.method = 'GET';
  request.url = '/v1/identity';
  request.httpVersion = '1.1';
  request.rawHeaders = ['Host', 'bureau'];
  request.headers.host = 'bureau';
  checkRequest(request, PROXY_LIMITS.requestHeaders);
  using _admission = new RequestLimiter(() => PROXY_LIMITS, clock).admitRequest();
  const { route } = new Router(ROUTES).match(request.method, request.url);
  const { id: traceId } = traceOf(undefined, new TraceDigits());
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 });
  response.end('{}');
  const { service, path } = route;
  new AccessLines().line(clock.now(), NOBODY, { service, method: 'GET', path, status: 200, milliseconds: 0, bytes: 2, traceId });
  socket.destroy();
}
