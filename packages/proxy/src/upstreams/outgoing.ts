// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import { announcesBody } from '../body.ts';
import { refuseForeignPlaceholder } from '../injection/placeholder.ts';
import type { Trace } from '../trace.ts';
import type { H1Request } from './h1-connection.ts';
import type { H2Request } from './h2-client.ts';
import { headerLines, passedOn } from './request-head.ts';
import type { Service } from './service.ts';

/** What of a call its request is made from. */
export interface OutgoingSource {
  readonly request: IncomingMessage;
  readonly target: string;
  readonly trace: Trace;
  readonly upgrade?: unknown;
}

/** Methods whose missing body is announced as empty. */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** How the agent sends its body. */
export function framingOf(request: IncomingMessage): H1Request['framing'] {
  if (request.headers['transfer-encoding'] !== undefined) return 'chunked';
  return announcesBody(request) ? 'length' : 'none';
}

/** Puts together what goes out over one protocol. */
type Make<Made> = (source: OutgoingSource, service: Service, target: string, passed: readonly string[], body: Buffer | undefined) => Made;

/**
 * The request as it goes out over the protocol that `make` is for, with the keys that are in use now. `body` is
 * there when it had to be read first. Throws `Problem`s for what a key cannot be put into.
 */
export function outgoingOf<Made>(source: OutgoingSource, service: Service, body: Buffer | undefined, make: Make<Made>): Made {
  const { request } = source;
  const passed = passedOn(request.rawHeaders, service.droppedHeaders);
  refuseForeignPlaceholder(request.rawHeaders, source.target, service.principal, service.name);
  let target = service.basePath + service.withQueryKeys(source.target);
  passed.push(...service.ownHeaders, 'traceparent', source.trace.parent);
  if (service.signer !== undefined) {
    const claimed = request.headers['x-amz-content-sha256'];
    const signedBody = body ?? (announcesBody(request) ? undefined : new Uint8Array());
    const signed = service.signer.sign(
      request.method as string,
      target,
      service.host,
      passed,
      signedBody,
      typeof claimed === 'string' ? claimed : undefined,
    );
    target = signed.target;
    passed.push(...signed.headers);
  }
  return make(source, service, target, passed, body);
}

/** `outgoingOf` for HTTP/1.1. */
export function overOne(
  source: OutgoingSource,
  service: Service,
  target: string,
  passed: readonly string[],
  body: Buffer | undefined,
): H1Request {
  const { request } = source;
  const method = request.method as string;
  const framing = body === undefined ? framingOf(request) : 'length';
  let head = `${method} ${target} HTTP/1.1\r\nhost: ${service.host}\r\n`;
  if (framing === 'chunked') head += 'transfer-encoding: chunked\r\n';
  else if (framing === 'length')
    head += `content-length: ${body === undefined ? (request.headers['content-length'] as string) : body.length}\r\n`;
  else if (WITH_BODY.has(method)) head += 'content-length: 0\r\n';
  if (source.upgrade !== undefined) head += 'connection: Upgrade\r\nupgrade: websocket\r\n';
  head += headerLines(passed);
  const { keys, headersMilliseconds, idleMilliseconds } = service;
  return { head, keys, bodyless: method === 'HEAD', framing, headersMilliseconds, idleMilliseconds };
}

/** `outgoingOf` for HTTP/2. */
export function overTwo(
  source: OutgoingSource,
  service: Service,
  target: string,
  passed: readonly string[],
  body: Buffer | undefined,
): H2Request {
  const { request } = source;
  const headers = [...passed];
  // Our own lines: names, values and ends are known to be right.
  for (const line of service.keys.toString('latin1').split('\r\n')) {
    const mark = line.indexOf(': ');
    if (mark !== -1) headers.push(line.slice(0, mark), line.slice(mark + 2));
  }
  const length = body === undefined ? request.headers['content-length'] : String(body.length);
  const hasBody = body !== undefined || announcesBody(request);
  if (hasBody && length !== undefined) headers.push('content-length', length);
  const { headersMilliseconds, idleMilliseconds } = service;
  return {
    method: request.method as string,
    path: target,
    authority: service.host,
    headers,
    hasBody,
    headersMilliseconds,
    idleMilliseconds,
  };
}
