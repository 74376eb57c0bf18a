// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import type { Clock } from '@bureau/core';
import type { Logger } from '@bureau/log';
import { accessLogOf, type AccessLog } from './access-log.ts';
import { serveAdmin } from './admin.ts';
import { AgentApi } from './agent-api.ts';
import { AccessFiles } from './audit/access-files.ts';
import { AnnouncedCalls } from './audit/announced-calls.ts';
import { AgentAuthorization } from './authorization.ts';
import { AliasCache } from './matrix/alias-cache.ts';
import { RoomQueues } from './matrix/room-queues.ts';
import { PlainRequests } from './forward/plain-requests.ts';
import { Resolver, systemAddresses, type AddressSource } from './forward/resolver.ts';
import { Tunnels } from './forward/tunnels.ts';
import { ResponseEvents } from './interceptors/response-events.ts';
import { limitsOfPrincipal } from './limits-of-principal.ts';
import { PROXY_LIMITS, type ProxyLimits } from './limits.ts';
import { explain } from './explain.ts';
import { Metrics, type Gauges } from './metrics/metrics.ts';
import { RequestLimiter } from './request-limiter.ts';
import { Router } from './router.ts';
import { ROUTES } from './routes/index.ts';
import { HeldStart } from './held-start.ts';
import { AgentServer } from './server.ts';
import { CredentialStore } from './store.ts';

export interface ProxyOptions {
  /** The agent's listener, already bound by whoever starts the proxy (tests may give a path). */
  readonly agent: { readonly fd: number } | { readonly path: string };
  /** The launcher's listener. */
  readonly admin: { readonly fd: number } | { readonly path: string };
  /** The only uid that the agent's socket serves. */
  readonly payloadUid: number;
  /** The only uids that may hand over keys; uid 0 when absent. */
  readonly adminUids?: readonly number[];
  /** Hash of the build, told to whoever asks. */
  readonly build: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<ProxyLimits>;
  /** Where transaction identifiers come from. */
  readonly randomId?: () => string;
  /** Where the access log goes, a directory of this process's own; into the log of the process when absent. */
  readonly accessLogDirectory?: string;
  /** How long agents wait for a proxy that has no keys yet; 0 or absent: they are answered at once, without. */
  readonly holdMilliseconds?: number;
  /** Told when the agent's listener cannot be used after such a wait; without it this process serves nobody. */
  readonly onLost?: (error: unknown) => void;
  /** Where names of the egress list get their addresses; the machine's resolver when absent. */
  readonly addresses?: AddressSource;
}

/** A running proxy. */
export interface Proxy extends AsyncDisposable {
  /** Connections to the agent's socket that were refused for their uid. */
  readonly refusedConnections: number;
  /** Accepts nothing new, ends what runs within `shutdownMilliseconds`, then zeroes the keys. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Serves one principal on its two sockets. Resolves when the launcher's accepts. Until keys arrive, or `holdMilliseconds` have passed, who
 * connects to the agent's waits; after that calls without keys answer 503 `not_configured`.
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { clock, logger, build } = options;
  const limits: ProxyLimits = { ...PROXY_LIMITS, ...options.limits };
  const store = new CredentialStore(limits, clock);
  const aliases = new AliasCache(clock, limits.aliasEntries, limits.aliasMilliseconds);
  const authorization = new AgentAuthorization();
  const rooms = new RoomQueues(clock, limits.roomQueue, limits.roomQueueMilliseconds);
  const services = { store, aliases, authorization, rooms, clock, build, limits, randomId: options.randomId ?? randomUUID };
  let own = store.header?.limits;
  let merged = limits;
  // Asked several times for each request; made anew when a bundle comes.
  const limitsNow = (): ProxyLimits => {
    const next = store.header?.limits;
    if (next !== own) merged = limitsOfPrincipal(limits, (own = next));
    return merged;
  };
  const limiter = new RequestLimiter(limitsNow, clock);
  const files = openAccessFiles(options, limits);
  const metrics = new Metrics(files ?? accessLogOf(logger), limits.metricSeries);
  const access: AccessLog = metrics;
  const announced = new AnnouncedCalls(clock, limits.announcedCalls, limits.announcedMilliseconds);
  const resolver = new Resolver(options.addresses ?? systemAddresses, limits, clock);
  const forwarding = { store, limits: limitsNow, limiter, resolver, clock };
  const forward = new PlainRequests(forwarding);
  const tunnels = new Tunnels({ ...forwarding, access, logger });
  const events = new ResponseEvents({ services, access, clock });
  const router = new Router(ROUTES);
  const api = new AgentApi({
    router,
    services,
    limiter,
    forward,
    access,
    events,
    announced,
    logger,
    clock,
  });
  let agent: AgentServer | undefined;
  const { payloadUid, holdMilliseconds = 0 } = options;
  const accept = async (): Promise<void> => {
    agent = await AgentServer.start({ listen: options.agent, payloadUid, api, tunnels, access, limits, clock, logger });
    agent.connectionsMost = limitsNow().connections;
  };
  const held = new HeldStart(accept, (error) => options.onLost?.(error));
  const gauges = (): Gauges => ({
    connections: agent?.connections ?? 0,
    running: limiter.running,
    tunnels: limiter.tunnels,
    refusedConnections: agent?.refused ?? 0,
    limited: limiter.refused,
    lostLines: files?.lost ?? 0,
    eventsSent: events.counts.sent,
    eventsFailed: events.counts.failed,
    eventsDropped: events.counts.dropped,
  });
  const admin = await serveAdmin({
    listen: options.admin,
    allowUids: options.adminUids ?? [0],
    store,
    api,
    authorization,
    metrics,
    gauges,
    announced,
    explain: (question, signal) => explain(question, { router, services, resolver }, signal),
    flush: () => files?.flush(),
    onConfigured: () => {
      tunnels.reconsider();
      if (agent !== undefined) agent.connectionsMost = limitsNow().connections;
      held.release();
    },
    build,
    clock,
    logger,
  });
  if (holdMilliseconds > 0) held.releaseAfter(holdMilliseconds, clock);
  else await accept();
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await held.cancel();
    await Promise.all([agent?.stop(limits.shutdownMilliseconds), admin.close()]);
    events.stop();
    forward.close();
    access.close();
    store[Symbol.dispose]();
  };
  return {
    get refusedConnections() {
      return agent?.refused ?? 0;
    },
    stop: () => (stopping ??= stop()),
    [Symbol.asyncDispose]: () => (stopping ??= stop()),
  };
}

/** Throws what the directory says. */
function openAccessFiles(options: ProxyOptions, limits: ProxyLimits): AccessFiles | undefined {
  const { accessLogDirectory: directory, clock, logger } = options;
  if (directory === undefined) return undefined;
  return AccessFiles.open({
    directory,
    fileBytes: limits.accessFileBytes,
    batchMilliseconds: limits.accessBatchMilliseconds,
    batchBytes: limits.accessBatchBytes,
    clock,
    onFailure: (error) => logger.error({ err: error }, 'the access log takes no lines; requests are served on'),
  });
}
