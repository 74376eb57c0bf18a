// SPDX-License-Identifier: Apache-2.0
import { BureauError, type Clock } from '@bureau/core';
import { serve, type IpcServer } from '@bureau/ipc';
import { audit, type Logger } from '@bureau/log';
import { proxyContract } from '@bureau/protocol';
import type { AgentAuthorization } from './authorization.ts';
import type { CredentialStore } from './store.ts';

export interface AdminServerOptions {
  readonly listen: { readonly fd: number } | { readonly path: string };
  /** Who may hand over keys: the launcher's uid. */
  readonly allowUids: readonly number[];
  readonly store: CredentialStore;
  readonly authorization: AgentAuthorization;
  readonly requests: () => number;
  /** Called when a bundle was taken into use. */
  readonly onConfigured: () => void;
  readonly build: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The launcher's socket: keys come in here and nowhere else, and nothing that comes in goes out again. */
export function serveAdmin(options: AdminServerOptions): Promise<IpcServer> {
  const { store, authorization, logger, build } = options;
  return serve({
    ...options.listen,
    contract: proxyContract,
    role: 'proxy',
    build,
    allowUids: options.allowUids,
    clock: options.clock,
    logger,
    handlers: {
      configure: (input, context) => {
        const what = store.header === undefined ? 'proxy.configure' : 'proxy.rotate';
        const who = `uid ${context.peer.uid}`;
        try {
          const answer = store.configure(input.principal, input.header, input.secrets);
          options.onConfigured();
          audit(logger, { who, what, target: input.principal, result: 'ok', traceId: context.traceId });
          return answer;
        } catch (error) {
          const reason = error instanceof Error && 'code' in error ? String(error.code) : 'internal';
          audit(logger, { who, what, target: input.principal, result: 'refused', reason, traceId: context.traceId });
          throw error;
        }
      },
      authorize: (input, context) => {
        const record = { who: `uid ${context.peer.uid}`, what: 'proxy.authorize', target: input.principal, traceId: context.traceId };
        const serves = store.header?.principal;
        if (serves !== undefined && serves !== input.principal) {
          audit(logger, { ...record, result: 'refused', reason: 'principal_mismatch' });
          throw new BureauError('principal_mismatch', `Expected grants of ${serves}, found those of ${input.principal}`);
        }
        authorization.set(input.authorization);
        audit(logger, { ...record, result: 'ok' });
        return {};
      },
      status: () => ({ build, principal: store.header?.principal ?? null, requests: options.requests() }),
    },
  });
}
