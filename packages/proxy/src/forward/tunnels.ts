// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { describeError, type Clock } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { STATUS_CLIENT_GONE, type AccessLog } from '../access-log.ts';
import type { ProxyLimits } from '../limits.ts';
import { Problem, quoted } from '../problem.ts';
import { endWithProblem } from '../raw-answers.ts';
import { checkHead } from '../request-checks.ts';
import type { RequestLimiter } from '../request-limiter.ts';
import type { CredentialStore } from '../store.ts';
import { traceOf } from '../trace.ts';
import { explainCommand } from '../explain-command.ts';
import { dialTarget } from './dial.ts';
import { UNRECOGNIZED_NAME_ALERT, readFirstFlight } from './first-flight.ts';
import { grantsFor, targetOf, targetOfUrl, type Target } from './forward-rules.ts';
import { parseAuthority } from './host-name.ts';
import type { IpAddress } from './ip-address.ts';
import { formatIpAddress } from './ip-address.ts';
import type { Resolver } from './resolver.ts';
import { splice, type SpliceResult } from './splice.ts';

/** What the forward proxy works with; shared by tunnels and plain requests. */
export interface ForwardOptions {
  readonly store: CredentialStore;
  readonly limits: () => ProxyLimits;
  readonly limiter: RequestLimiter;
  readonly resolver: Resolver;
  readonly access: AccessLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is known of a tunnel when it ends, however it ends. */
interface TunnelRecord {
  readonly started: number;
  readonly traceId: string;
  target: Target | undefined;
  address: IpAddress | undefined;
  rule: string | undefined;
}

/** The CONNECT half of the forward proxy: TLS to allowed hosts, opaque, each tunnel judged once at its start and again with each new bundle. */
export class Tunnels {
  readonly #options: ForwardOptions;
  readonly #open = new Map<AbortController, TunnelRecord>();

  constructor(options: ForwardOptions) {
    this.#options = options;
  }

  /** Takes over a connection on which CONNECT was asked. Never throws. */
  async connect(request: IncomingMessage, agent: Socket, head: Buffer): Promise<void> {
    const { clock } = this.#options;
    const traceparent = request.headers['traceparent'];
    const record: TunnelRecord = {
      started: clock.monotonic(),
      traceId: traceOf(typeof traceparent === 'string' ? traceparent : undefined).id,
      target: undefined,
      address: undefined,
      rule: undefined,
    };
    // Node's server has let go of this connection: its timeouts and its handlers are ours now.
    agent.setTimeout(0);
    agent.on('error', () => agent.destroy());
    try {
      using _admission = this.#options.limiter.admitTunnel();
      await this.#run(request, agent, head, record);
    } catch (error) {
      this.#refuse(agent, record, error);
    }
  }

  /** Ends every tunnel that the bundle in use no longer allows. */
  reconsider(): void {
    for (const [end, record] of this.#open) {
      const { target, address } = record;
      // One that is not dialled yet is judged again when it is.
      if (target !== undefined && address !== undefined && !this.#isAllowed(target, address)) end.abort();
    }
  }

  /** Ends every tunnel. */
  close(): void {
    for (const end of this.#open.keys()) end.abort();
  }

  async #run(request: IncomingMessage, agent: Socket, head: Buffer, record: TunnelRecord): Promise<void> {
    const { store, resolver } = this.#options;
    const limits = this.#options.limits();
    checkConnect(request, limits.requestHeaders);
    const { policy, homeserver } = egressOf(store);
    const target = connectTargetOf(request, homeserver, (named) => (record.target = named));
    const end = new AbortController();
    const onGone = (): void => end.abort();
    agent.once('close', onGone);
    this.#open.set(end, record);
    try {
      const grants = await grantsFor(target, policy, resolver);
      const { socket: upstream, grant } = await dialTarget(target, grants, this.#options, end.signal);
      upstream.on('error', () => upstream.destroy());
      if (!this.#isAllowed(target, grant.address)) {
        upstream.destroy();
        // The bundle changed meanwhile: its own words are better than ours.
        await grantsFor(target, egressOf(store).policy, resolver);
        throw new Problem(403, 'egress_changed', `${target.text} is no longer what it was when this tunnel was judged; try again.`);
      }
      Object.assign(record, { address: grant.address, rule: grant.rule });
      try {
        // From here on a connection that closes is an end, not a reason to give up.
        agent.off('close', onGone);
        agent.write('HTTP/1.1 200 Connection established\r\n\r\n');
        const first = grant.plaintext ? head : await this.#firstFlight(agent, head, target, grant.anyServerName, record);
        if (first === undefined) return;
        this.#log(record, 200, await this.#carry(agent, upstream, first, end.signal));
      } finally {
        upstream.destroy();
      }
    } finally {
      this.#open.delete(end);
      agent.off('close', onGone);
    }
  }

  /** What may go to the upstream, or `undefined` when the tunnel was ended and logged. */
  async #firstFlight(
    agent: Socket,
    head: Buffer,
    target: Target,
    anyServerName: boolean,
    record: TunnelRecord,
  ): Promise<Buffer | undefined> {
    const limits = this.#options.limits();
    const first = await readFirstFlight({
      agent,
      head,
      host: target.host,
      anyServerName,
      bytesMost: limits.clientHelloBytes,
      milliseconds: limits.clientHelloMilliseconds,
      clock: this.#options.clock,
    });
    if (first.code === undefined) return first.bytes;
    if (first.code === 'server_name_mismatch') agent.end(UNRECOGNIZED_NAME_ALERT);
    agent.destroySoon();
    const status = { server_name_mismatch: 421, tunnel_not_tls: 403, client_hello_timeout: 408, client_gone: STATUS_CLIENT_GONE }[
      first.code
    ];
    this.#log(record, status, { bytesIn: first.bytes.length, bytesOut: 0 }, first.code);
    return undefined;
  }

  #carry(agent: Socket, upstream: Socket, first: Buffer, signal: AbortSignal): Promise<SpliceResult> {
    const limits = this.#options.limits();
    const { clock, limiter } = this.#options;
    if (first.length > 0) upstream.write(first);
    limiter.addTraffic(first.length);
    const carried = splice({
      agent,
      upstream,
      idleMilliseconds: limits.tunnelIdleMilliseconds,
      bytesMost: limits.tunnelBytes,
      clock,
      onBytes: (bytes) => limiter.addTraffic(bytes),
      signal,
    });
    return carried.then((result) => ({ ...result, bytesIn: result.bytesIn + first.length }));
  }

  #isAllowed(target: Target, address: IpAddress): boolean {
    const { store, resolver } = this.#options;
    const policy = store.egress;
    return policy !== undefined && Array.isArray(policy.judge(target.host, target.port, [address], resolver.own()));
  }

  #refuse(agent: Socket, record: TunnelRecord, error: unknown): void {
    if (agent.destroyed || error === undefined || !(error instanceof Problem)) {
      const gone = agent.destroyed || (error instanceof Error && error.name === 'AbortError');
      if (!gone) this.#options.logger.error({ trace_id: record.traceId, err: error }, 'a tunnel failed');
      agent.destroy();
      this.#log(record, gone ? STATUS_CLIENT_GONE : 500, { bytesIn: 0, bytesOut: 0 }, gone ? undefined : 'internal');
      return;
    }
    const { rule } = error.extensions;
    if (typeof rule === 'string') record.rule = rule;
    const explain = explainCommand(this.#options.store.header?.principal, error, 'CONNECT', record.target?.text ?? '');
    endWithProblem(agent, error, record.traceId, explain);
    this.#log(record, error.status, { bytesIn: 0, bytesOut: 0 }, error.code, error.cause);
  }

  #log(
    record: TunnelRecord,
    status: number,
    result: Pick<SpliceResult, 'bytesIn' | 'bytesOut'> & { readonly end?: SpliceResult['end'] },
    code?: string,
    cause?: unknown,
  ): void {
    const { access, clock, store } = this.#options;
    const ended = result.end === undefined || result.end === 'closed' ? undefined : `tunnel_${result.end}`;
    access.write(store.header?.principal, {
      service: 'egress',
      method: 'CONNECT',
      path: '-',
      target: record.target?.text,
      address: record.address === undefined ? undefined : formatIpAddress(record.address),
      status,
      code: code ?? ended,
      cause: cause === undefined ? undefined : describeError(cause).slice(0, 300),
      rule: record.rule,
      milliseconds: clock.monotonic() - record.started,
      bytesIn: result.bytesIn,
      bytes: result.bytesOut,
      traceId: record.traceId,
    });
  }
}

/** The list and the homeserver of the bundle in use. Throws the `Problem`s 503 `not_configured` and 403 `credentials_expired`. */
export function egressOf(store: CredentialStore): { policy: NonNullable<CredentialStore['egress']>; homeserver: Target | undefined } {
  using lease = store.lease();
  const url = lease.credentials.header.upstreams['matrix']?.url;
  return { policy: lease.egress, homeserver: url === undefined ? undefined : targetOfUrl(url) };
}

function checkConnect(request: IncomingMessage, headersMost: number): void {
  checkHead(request, headersMost);
  if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) {
    throw new Problem(400, 'unexpected_body', 'CONNECT takes no body; leave out Content-Length and Transfer-Encoding.', { close: true });
  }
}

/**
 * Where CONNECT goes; `named` is told as soon as that is known. Throws the `Problem`s 400 `invalid_target`, 421 `host_mismatch` and 403
 * `homeserver_by_tunnel`.
 */
export function connectTargetOf(
  request: Pick<IncomingMessage, 'url' | 'headers'>,
  homeserver: Target | undefined,
  named?: (target: Target) => void,
): Target {
  const target = targetOfConnect(request);
  named?.(target);
  if (homeserver?.text === target.text) throw homeserverByTunnel(target);
  return target;
}

function targetOfConnect(request: Pick<IncomingMessage, 'url' | 'headers'>): Target {
  const authority = parseAuthority(request.url ?? '');
  if (authority?.port === undefined) {
    throw new Problem(400, 'invalid_target', `Expected CONNECT host:port, found ${quoted(request.url ?? '')}.`, { close: true });
  }
  const target = targetOf(authority, authority.port);
  const { host } = request.headers;
  if (host === undefined || host === '') return target;
  const named = parseAuthority(host);
  if (named?.host.text !== target.host.text || (named.port !== undefined && named.port !== target.port)) {
    throw new Problem(421, 'host_mismatch', `Expected the Host header to name ${target.text} as CONNECT does, found ${quoted(host)}.`, {
      close: true,
    });
  }
  return target;
}

function homeserverByTunnel(target: Target): Problem {
  return new Problem(
    403,
    'homeserver_by_tunnel',
    `${target.text} is this principal's homeserver, which is not reached through a tunnel, since its administration would be; use /v1/matrix/….`,
    { extensions: { rule: 'upstreams.matrix', target: target.text } },
  );
}
