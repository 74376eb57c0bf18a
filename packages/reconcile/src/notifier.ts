// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { describeError, type Clock, type PrincipalName, type Timer } from '@bureau/core';
import type { Logger } from '@bureau/log';
import type { PrincipalStatus } from '@bureau/protocol';
import { NOTICE_NAMES_MAX, NOTICE_PAUSE_MILLISECONDS } from './limits.ts';
import type { MemoryKeeper } from './memory-keeper.ts';
import { publishPause } from './publish-pause.ts';
import { noticeKey, type Notice } from './notice.ts';

/** The content of one m.bureau.notification, and what makes it one event however often it is sent. */
export interface Notification {
  readonly content: {
    readonly msgtype: 'm.bureau.notification';
    readonly body: string;
    readonly v: 1;
    readonly event: Notice['event'];
    readonly principal?: PrincipalName;
  };
  readonly key: string;
}

export interface NotifierDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly memory: Pick<MemoryKeeper, 'of' | 'setNotice'>;
  readonly send: (notification: Notification) => Promise<void>;
  /** What was told is remembered, and is to be put on disk. */
  readonly onTold: () => void;
}

/**
 * Tells people what is wrong with principals, once: not on each try, not again after a restart of the daemon, and not before it has held for a
 * moment. Principals that one mistake concerns are told of in one message. What a principal was told of is over when it is well again.
 */
export class Notifier {
  readonly #deps: NotifierDeps;
  /** What is not told yet, and since when it holds. */
  readonly #waiting = new Map<PrincipalName, { readonly notice: Notice; readonly since: number }>();
  #timer: Timer | undefined;
  #sending = false;
  #closed = false;
  #failures = 0;

  constructor(deps: NotifierDeps) {
    this.#deps = deps;
  }

  /** Takes what holds now. */
  update(notices: readonly Notice[], statuses: readonly PrincipalStatus[]): void {
    const { clock, memory } = this.#deps;
    const holding = new Map(notices.map((notice) => [notice.principal, notice]));
    for (const principal of this.#waiting.keys()) if (!holding.has(principal)) this.#waiting.delete(principal);
    for (const [principal, notice] of holding) {
      if (memory.of(principal).notice === keyOf(notice)) continue;
      const before = this.#waiting.get(principal);
      if (before === undefined || keyOf(before.notice) !== keyOf(notice))
        this.#waiting.set(principal, { notice, since: clock.monotonic() });
    }
    for (const { principal, state, message } of statuses) {
      const isWell = message === undefined && (state === 'running' || state === 'completed' || state === 'stopped');
      if (isWell && !holding.has(principal) && memory.of(principal).notice !== undefined)
        memory.setNotice(new Map([[principal, undefined]]));
    }
    this.#later(NOTICE_PAUSE_MILLISECONDS);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.clear();
  }

  #later(milliseconds: number): void {
    if (this.#closed || this.#sending || this.#timer !== undefined || this.#waiting.size === 0) return;
    this.#timer = this.#deps.clock.setTimer(milliseconds, () => {
      this.#timer = undefined;
      void this.#tell();
    });
  }

  async #tell(): Promise<void> {
    const { clock, logger, memory, send } = this.#deps;
    const ripe = [...this.#waiting.values()]
      .filter(({ since }) => since + NOTICE_PAUSE_MILLISECONDS <= clock.monotonic())
      .map(({ notice }) => notice);
    const first = ripe[0];
    if (first === undefined) return this.#later(NOTICE_PAUSE_MILLISECONDS);
    const together = ripe.filter((notice) => noticeKey(notice) === noticeKey(first));
    this.#sending = true;
    let pause = 0;
    try {
      await send(notificationOf(together));
      memory.setNotice(new Map(together.map((notice) => [notice.principal, keyOf(notice)])));
      for (const { principal } of together) this.#waiting.delete(principal);
      this.#failures = 0;
      this.#deps.onTold();
    } catch (error) {
      pause = publishPause(error);
      this.#failures += 1;
      if (this.#failures === 1) logger.warn({ error: describeError(error), pause }, 'people were not told; trying again');
    } finally {
      this.#sending = false;
    }
    this.#later(pause);
  }
}

/** One message about principals that the same is wrong with. */
export function notificationOf(notices: readonly Notice[]): Notification {
  const [first] = notices;
  if (first === undefined) throw new TypeError('Expected at least one notice');
  const names = notices.map(({ principal }) => principal).toSorted();
  const shown = names.slice(0, NOTICE_NAMES_MAX).join(', ');
  const who = names.length <= NOTICE_NAMES_MAX ? shown : `${shown} and ${names.length - NOTICE_NAMES_MAX} more`;
  const what = first.event === 'quarantined' ? 'in quarantine' : 'blocked';
  const body = `${who} ${names.length === 1 ? 'is' : 'are'} ${what}: ${first.text}`;
  const key = `notice-${createHash('sha256')
    .update(JSON.stringify([noticeKey(first), notices.map(({ principal, cause = '' }) => `${principal} ${cause}`).toSorted()]))
    .digest('hex')
    .slice(0, 32)}`;
  const content = { msgtype: 'm.bureau.notification', body, v: 1, event: first.event } as const;
  return { content: names.length === 1 ? { ...content, principal: first.principal } : content, key };
}

/** What is remembered of a notice: its kind and a digest of its words. */
function keyOf(notice: Notice): string {
  return `${notice.event} ${createHash('sha256').update(noticeKey(notice)).digest('hex').slice(0, 32)}`;
}
