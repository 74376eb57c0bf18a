// SPDX-License-Identifier: Apache-2.0
import { BureauError, hasCode } from '@bureau/core';
import type { CallContext, Handlers } from '@bureau/ipc';
import type { AuditLog } from '@bureau/log';
import type { ResourceFinding, launcherContract } from '@bureau/protocol';
import type { Launcher } from './launcher.ts';

/** What `status` says besides the count. */
export interface LauncherIdentity {
  readonly build: string;
  readonly machine: string;
  readonly recipient: string;
  readonly identityStore: string;
  readonly resources: readonly ResourceFinding[];
}

/** The one table of operations of the launcher's socket. Each one that changes something is audited. */
export function launcherHandlers(launcher: Launcher, identity: LauncherIdentity, audit: AuditLog): Handlers<typeof launcherContract> {
  async function audited<Result>(
    what: string,
    target: string,
    context: { peer: { uid: number }; traceId: string },
    task: () => Promise<Result>,
  ): Promise<Result> {
    const record = { who: `uid:${context.peer.uid}`, what, target, traceId: context.traceId };
    try {
      const result = await task();
      audit.add({ ...record, result: 'ok' });
      return result;
    } catch (error) {
      const refused = error instanceof BureauError && !hasCode(error, 'start_failed');
      audit.add({ ...record, result: refused ? 'refused' : 'failed', reason: reasonOf(error) });
      throw error;
    }
  }
  return {
    status: () => ({ ...identity, resources: [...identity.resources], sandboxes: launcher.list().length }),
    create: (input, context) => audited('create', input.principal, context, () => launcher.create(input, cancelOf(context))),
    check: (input, context) =>
      audited('check', input.principal, context, async () => {
        await launcher.check(input);
        return {};
      }),
    destroy: (input, context) =>
      audited('destroy', input.principal, context, () => launcher.destroy(input.principal, input.id, input.graceMilliseconds)),
    forget: (input, context) =>
      audited('forget', input.principal, context, async () => {
        launcher.forget(input.principal, input.id);
        return {};
      }),
    wait: (input) => launcher.wait(input.principal, input.id),
    signal: (input, context) =>
      audited('signal', input.principal, context, async () => {
        await launcher.signal(input.principal, input.id, input.signal);
        return {};
      }),
    updatePayload: (input, context) =>
      audited('updatePayload', input.principal, context, async () => {
        const { payload, trigger } = input;
        await launcher.updatePayload(input.principal, input.id, { payload, trigger });
        return {};
      }),
    list: () => ({ sandboxes: launcher.list() }),
    watch: (_input, context) => launcher.watch(context.signal),
    authorize: (input, context) =>
      audited('authorize', input.principal, context, async () => {
        await launcher.authorize(input.principal, input.authorization);
        return {};
      }),
    rotate: (input, context) => audited('rotate', input.principal, context, () => launcher.rotate(input.principal, input.bundle)),
  };
}

/** The audit record of a request that came to no operation: of a method that is none, malformed, one too many. For `onRefused`. */
export function auditRefused(audit: AuditLog): (method: string, error: BureauError, context: CallContext) => void {
  return (method, error, { peer, traceId }) =>
    audit.add({ who: `uid:${peer.uid}`, what: method, result: 'refused', reason: error.code, traceId });
}

/** A refusal's code, and the policy's rule behind it: `spec_refused: mount_source_forbidden`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof BureauError)) return 'internal';
  const { rule } = error.data;
  return typeof rule === 'string' ? `${error.code}: ${rule}` : error.code;
}

/** Aborted when the caller takes its request back; one that went away may come again and find what it asked for. */
function cancelOf({ signal }: Pick<CallContext, 'signal'>): AbortSignal {
  const cancel = new AbortController();
  signal.addEventListener('abort', () => hasCode(signal.reason, 'cancelled') && cancel.abort(signal.reason), { once: true });
  return cancel.signal;
}
