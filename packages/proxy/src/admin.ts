// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '@bureau/core';
import { serve, type IpcServer } from '@bureau/ipc';
import { audit, type Logger } from '@bureau/log';
import { proxyContract } from '@bureau/protocol';
import type { AgentApi } from './agent-api.ts';
import type { AnnouncedCalls } from './audit/announced-calls.ts';
import type { AgentAuthorization } from './authorization.ts';
import type { Explanation, Question } from './explain.ts';
import type { Gauges, Metrics } from './metrics/metrics.ts';
import type { CredentialStore } from './store.ts';

export interface AdminServerOptions {
  readonly listen: { readonly fd: number } | { readonly path: string };
  /** Who may hand over keys: the launcher's uid. */
  readonly allowUids: readonly number[];
  readonly store: CredentialStore;
  readonly api: AgentApi;
  readonly authorization: AgentAuthorization;
  readonly metrics: Metrics;
  readonly gauges: () => Gauges;
  readonly announced: AnnouncedCalls;
  readonly explain: (question: Question, signal: AbortSignal) => Promise<Explanation>;
  /** Puts the access log on disk. */
  readonly flush: () => void;
  /** Called when a bundle was taken into use. */
  readonly onConfigured: () => void;
  readonly build: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The launcher's socket: keys come in here and nowhere else, and nothing that comes in goes out again. */
export function serveAdmin(options: AdminServerOptions): Promise<IpcServer> {
  const { store, logger, build } = options;
  return serve({
    ...options.listen,
    contract: proxyContract,
    role: 'proxy',
    build,
    allowUids: options.allowUids,
    clock: options.clock,
    logger,
    handlers: {
      configure: (input, context) =>
        audited(store.header === undefined ? 'proxy.configure' : 'proxy.rotate', input.principal, context, () => {
          const answer = store.configure(input.principal, input.header, input.secrets);
          options.onConfigured();
          return answer;
        }),
      authorize: (input, context) =>
        audited('proxy.authorize', input.principal, context, () => {
          store.checkPrincipal(input.principal);
          options.authorization.set(input.authorization);
          return {};
        }),
      drain: async (input, context) => {
        audited('proxy.drain', store.header?.principal ?? '-', context, () => undefined);
        await options.api.drain(input.milliseconds, context.signal);
        options.flush();
        const { running, tunnels } = options.gauges();
        return { running, tunnels };
      },
      stats: () => ({ ...options.metrics.totals, ...options.gauges(), memoryBytes: process.memoryUsage.rss() }),
      metrics: () => ({ text: options.metrics.text(options.gauges()) }),
      announceCall: (input, context) =>
        audited('proxy.call', store.header?.principal ?? '-', { ...context, traceId: input.traceId }, () => {
          options.announced.announce(input.traceId);
          return {};
        }),
      explain: ({ subject, target }, context) => options.explain({ subject, target }, context.signal),
      status: () => ({ build, principal: store.header?.principal ?? null, requests: options.api.total }),
    },
  });

  function audited<Result>(what: string, target: string, context: { peer: { uid: number }; traceId: string }, task: () => Result): Result {
    const record = { who: `uid ${context.peer.uid}`, what, target, traceId: context.traceId };
    try {
      const result = task();
      audit(logger, { ...record, result: 'ok' });
      return result;
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'internal';
      audit(logger, { ...record, result: 'refused', reason });
      throw error;
    }
  }
}
